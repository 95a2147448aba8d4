package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// vcenter is what is there beside the library's own inventory.
type vcenter struct {
	directory, guest string
	spares           int
	plan             *plan
	companionOf      map[string]bool
	mu               sync.Mutex
	machines         map[string]*machine
	snapshots        map[string]string
	disks, changes   int
}

// machine is what the library does not keep of a virtual machine.
type machine struct {
	disk   string
	guests []*guest
	// Keys that the guest has set: they are not persistent, and go with the power.
	wrote map[string]bool
}

func newVCenter(directory, guest string, spares int) *vcenter {
	return &vcenter{
		directory: directory, guest: guest, spares: spares, plan: &plan{},
		companionOf: map[string]bool{
			"InstantClone_Task": true, "CloneVM_Task": true, "ReconfigVM_Task": true, "PowerOnVM_Task": true,
			"PowerOffVM_Task": true, "SuspendVM_Task": true, "Destroy_Task": true, "CreateSnapshot_Task": true,
		},
		machines: map[string]*machine{}, snapshots: map[string]string{},
	}
}

// newDisk makes an empty directory: the disk of a machine is one.
func (v *vcenter) newDisk() string {
	v.mu.Lock()
	v.disks++
	path := filepath.Join(v.directory, fmt.Sprintf("disk-%d", v.disks))
	v.mu.Unlock()
	must(os.MkdirAll(path, 0755))
	return path
}

func (v *vcenter) machine(id string) *machine {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := v.machines[id]
	if m == nil {
		m = &machine{wrote: map[string]bool{}}
		v.machines[id] = m
	}
	return m
}

func reference(id string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "VirtualMachine", Value: id}
}

func virtualMachine(id string) *simulator.VirtualMachine {
	vm, _ := simulator.Map.Get(reference(id)).(*simulator.VirtualMachine)
	return vm
}

// task runs `work` as a task of the machine after the planned time, as a real vCenter does: the call returns before.
func (v *vcenter) task(id, method, name string, work func(vm *simulator.VirtualMachine) (types.AnyType, types.BaseMethodFault)) types.ManagedObjectReference {
	vm := virtualMachine(id)
	task := simulator.CreateTask(vm, name, func(*simulator.Task) (result types.AnyType, fault types.BaseMethodFault) {
		if fault = newFault(v.plan.take(method, "task")); fault != nil {
			return nil, fault
		}
		simulator.Map.WithLock(vm, func() { result, fault = work(vm) })
		if late := newFault(v.plan.take(method, "late")); late != nil && fault == nil {
			return nil, late
		}
		return
	})
	go func() {
		time.Sleep(v.plan.delay(method, "task"))
		if method == "InstantClone_Task" {
			// Without the machine's lock, which its guests need to come as far.
			v.awaitSpares(id)
		}
		task.Run()
	}()
	return task.Self
}

// registrar adds a companion for each virtual machine that comes, and takes it away with it.
type registrar struct {
	self types.ManagedObjectReference
	vc   *vcenter
}

func (r *registrar) Reference() types.ManagedObjectReference { return r.self }
func (r *registrar) PutObject(o mo.Reference) {
	if ref := o.Reference(); ref.Type == "VirtualMachine" {
		c := &companion{vc: r.vc}
		c.Self = types.ManagedObjectReference{Type: "InstantCloner", Value: ref.Value}
		simulator.Map.Put(c)
	}
}
func (r *registrar) UpdateObject(mo.Reference, []types.PropertyChange) {}
func (r *registrar) RemoveObject(ref types.ManagedObjectReference) {
	if ref.Type == "VirtualMachine" {
		simulator.Map.Remove(types.ManagedObjectReference{Type: "InstantCloner", Value: ref.Value})
	}
}

func (v *vcenter) addCompanions() {
	r := &registrar{types.ManagedObjectReference{Type: "Registrar", Value: "r"}, v}
	for _, vm := range simulator.Map.All("VirtualMachine") {
		r.PutObject(vm)
	}
	simulator.Map.AddHandler(r)
	c := &checker{}
	c.Self = *simulator.Map.Get(types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}).(*simulator.ServiceInstance).Content.VmProvisioningChecker
	simulator.Map.Put(c)
}

// addTemplate makes the first machine a prepared one that is powered off: what containers are cloned from.
func (v *vcenter) addTemplate() {
	for _, one := range simulator.Map.All("VirtualMachine") {
		vm := one.(*simulator.VirtualMachine)
		v.machine(vm.Self.Value).disk = v.newDisk()
		if vm.Name != "DC0_C0_RP0_VM0" {
			continue
		}
		simulator.Map.Update(vm, []types.PropertyChange{
			{Name: "name", Val: "portlayer-template"}, {Name: "config.name", Val: "portlayer-template"},
			{Name: "runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOff},
			{Name: "summary.runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOff},
		})
	}
}
