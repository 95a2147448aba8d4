package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// checker is the dry run of an Instant Clone.
type checker struct{ mo.IoFilterManager }

func (c *checker) CheckInstantCloneTask(ctx *simulator.Context, req *types.CheckInstantClone_Task) soap.HasFault {
	vm := virtualMachine(req.Vm.Value)
	if vm == nil {
		return &methods.CheckInstantClone_TaskBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.Vm})}
	}
	task := simulator.CreateTask(vm, "checkInstantClone", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return types.ArrayOfCheckResult{}, checkSource(vm)
	})
	go task.Run()
	return &methods.CheckInstantClone_TaskBody{Res: &types.CheckInstantClone_TaskResponse{Returnval: task.Self}}
}

func checkSource(vm *simulator.VirtualMachine) types.BaseMethodFault {
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: vm.Runtime.PowerState}
	}
	return nil
}

// instantClone makes a child that runs on from where its source is: same host, powered on, the source's extraConfig
// overlaid by the spec's.
func (v *vcenter) instantClone(ctx *simulator.Context, vm *simulator.VirtualMachine, spec *types.VirtualMachineInstantCloneSpec) (types.AnyType, types.BaseMethodFault) {
	if fault := checkSource(vm); fault != nil {
		return nil, fault
	}
	if l := spec.Location; l.Host != nil && *l.Host != *vm.Runtime.Host {
		return nil, &types.InvalidArgument{InvalidProperty: "spec.location.host"}
	}
	folder := *vm.Parent
	if spec.Location.Folder != nil {
		folder = *spec.Location.Folder
	}
	changes := spec.Location.DeviceChange
	spec.Location.DeviceChange = nil
	ref, fault := v.copyMachine(ctx, vm, &types.CloneVM_Task{This: vm.Self, Folder: folder, Name: spec.Name, Spec: types.VirtualMachineCloneSpec{
		Location: spec.Location, Config: &types.VirtualMachineConfigSpec{ExtraConfig: merged(vm.Config.ExtraConfig, spec.Config)}}})
	if fault != nil {
		return nil, fault
	}
	child := virtualMachine(ref.Value)
	if fault := editPorts(child, changes); fault != nil {
		child.DestroyTask(ctx, &types.Destroy_Task{This: ref})
		return nil, fault
	}
	if spec.BiosUuid != "" {
		simulator.Map.Update(child, []types.PropertyChange{{Name: "config.uuid", Val: spec.BiosUuid}, {Name: "summary.config.uuid", Val: spec.BiosUuid}})
	}
	child.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: ref})
	if fault := v.handOver(vm, child); fault != nil {
		child.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: ref})
		child.DestroyTask(ctx, &types.Destroy_Task{This: ref})
		return nil, fault
	}
	return ref, nil
}

// editPorts carries out what an Instant Clone may change of its devices: here, the file behind a serial port.
func editPorts(child *simulator.VirtualMachine, changes []types.BaseVirtualDeviceConfigSpec) types.BaseMethodFault {
	devices := append([]types.BaseVirtualDevice{}, child.Config.Hardware.Device...)
	for i, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		port, ok := spec.Device.(*types.VirtualSerialPort)
		found := false
		for at, device := range devices {
			if ok && spec.Operation == types.VirtualDeviceConfigSpecOperationEdit && device.GetVirtualDevice().Key == port.Key {
				devices[at], found = port, true
			}
		}
		if !found {
			return &types.InvalidDeviceSpec{DeviceIndex: int32(i)}
		}
	}
	simulator.Map.Update(child, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}})
	return nil
}

// clone adds what the library leaves out: duplicate names, the snapshot that is named, the power.
func (v *vcenter) clone(ctx *simulator.Context, vm *simulator.VirtualMachine, req *types.CloneVM_Task) (types.AnyType, types.BaseMethodFault) {
	disk := v.machine(vm.Self.Value).disk
	if s := req.Spec.Snapshot; s != nil {
		if o, ok := simulator.Map.Get(*s).(*simulator.VirtualMachineSnapshot); !ok || o.Vm != vm.Self {
			return nil, &types.InvalidArgument{InvalidProperty: "spec.snapshot"}
		}
		v.mu.Lock()
		disk = v.snapshots[s.Value]
		v.mu.Unlock()
	} else if req.Spec.Location.DiskMoveType == "createNewChildDiskBacking" {
		return nil, &types.InvalidArgument{InvalidProperty: "spec.snapshot"}
	}
	if req.Spec.Config != nil {
		config := *req.Spec.Config
		described(config.DeviceChange)
		config.ExtraConfig = merged(vm.Config.ExtraConfig, config.ExtraConfig)
		req.Spec.Config = &config
	} else {
		req.Spec.Config = &types.VirtualMachineConfigSpec{ExtraConfig: vm.Config.ExtraConfig}
	}
	ref, fault := v.copyMachine(ctx, vm, req)
	if fault != nil {
		return nil, fault
	}
	child := virtualMachine(ref.Value)
	if uuid := req.Spec.Config.Uuid; uuid != "" {
		child.Config.Uuid = uuid
	}
	if mib := req.Spec.Config.MemoryMB; mib != 0 {
		child.Config.Hardware.MemoryMB = int32(mib)
	}
	m := v.machine(ref.Value)
	m.disk = v.newDisk()
	copyDisk(disk, m.disk)
	if req.Spec.PowerOn {
		child.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: ref})
		v.boot(child)
	}
	return ref, nil
}

// copyMachine calls the library's clone. It would hand the source's own devices to the child, and so rename the
// source's disks: the source gets copies of them back.
func (v *vcenter) copyMachine(ctx *simulator.Context, vm *simulator.VirtualMachine, req *types.CloneVM_Task) (types.ManagedObjectReference, types.BaseMethodFault) {
	var none types.ManagedObjectReference
	folder, ok := simulator.Map.Get(req.Folder).(*simulator.Folder)
	if !ok {
		return none, &types.ManagedObjectNotFound{Obj: req.Folder}
	}
	if simulator.Map.FindByName(req.Name, folder.ChildEntity) != nil {
		return none, &types.DuplicateName{Name: req.Name, Object: vm.Self}
	}
	var own []types.BaseVirtualDevice
	for _, device := range vm.Config.Hardware.Device {
		c := duplicate(device).(types.BaseVirtualDevice)
		if backing := c.GetVirtualDevice().Backing; backing != nil {
			c.GetVirtualDevice().Backing = duplicate(backing).(types.BaseVirtualDeviceBackingInfo)
		}
		own = append(own, c)
	}
	res := vm.CloneVMTask(ctx, req).(*methods.CloneVM_TaskBody)
	vm.Config.Hardware.Device = own
	task := simulator.Map.Get(res.Res.Returnval).(*simulator.Task)
	if task.Info.Error != nil {
		return none, task.Info.Error.Fault
	}
	ref := task.Info.Result.(types.ManagedObjectReference)
	v.machine(ref.Value)
	child := virtualMachine(ref.Value)
	simulator.Map.Update(child, []types.PropertyChange{{Name: "config.extraConfig", Val: merged(nil, req.Spec.Config.ExtraConfig)}})
	return ref, nil
}
