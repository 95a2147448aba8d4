package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// companion stands beside each virtual machine, with its id, and carries out the methods that the library lacks or
// does otherwise than vCenter. The machine itself cannot be replaced: the library casts to its own type in many places.
// It must embed some managed object, or the library's SearchIndex panics.
type companion struct {
	mo.IoFilterManager
	vc *vcenter
}

func (c *companion) id() string { return c.Self.Value }

func (c *companion) InstantCloneTask(ctx *simulator.Context, req *types.InstantClone_Task) soap.HasFault {
	task := c.vc.task(c.id(), "InstantClone_Task", "instantClone", func(vm *simulator.VirtualMachine) (types.AnyType, types.BaseMethodFault) {
		return c.vc.instantClone(ctx, vm, &req.Spec)
	})
	return &methods.InstantClone_TaskBody{Res: &types.InstantClone_TaskResponse{Returnval: task}}
}

func (c *companion) CloneVMTask(ctx *simulator.Context, req *types.CloneVM_Task) soap.HasFault {
	task := c.vc.task(c.id(), "CloneVM_Task", "cloneVm", func(vm *simulator.VirtualMachine) (types.AnyType, types.BaseMethodFault) {
		return c.vc.clone(ctx, vm, req)
	})
	return &methods.CloneVM_TaskBody{Res: &types.CloneVM_TaskResponse{Returnval: task}}
}

func (c *companion) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	task := c.vc.task(c.id(), "PowerOnVM_Task", "powerOn", func(vm *simulator.VirtualMachine) (types.AnyType, types.BaseMethodFault) {
		was := vm.Runtime.PowerState
		fault := faultOf(vm.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: vm.Self}).(*methods.PowerOnVM_TaskBody).Res.Returnval)
		if fault == nil && was == types.VirtualMachinePowerStateSuspended {
			c.vc.each(c.id(), (*guest).resume)
		} else if fault == nil {
			c.vc.boot(vm)
		}
		return nil, fault
	})
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: task}}
}

func (c *companion) PowerOffVMTask(ctx *simulator.Context, req *types.PowerOffVM_Task) soap.HasFault {
	task := c.vc.task(c.id(), "PowerOffVM_Task", "powerOff", func(vm *simulator.VirtualMachine) (types.AnyType, types.BaseMethodFault) {
		fault := faultOf(vm.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: vm.Self}).(*methods.PowerOffVM_TaskBody).Res.Returnval)
		if fault == nil {
			c.vc.shutDown(vm)
		}
		return nil, fault
	})
	return &methods.PowerOffVM_TaskBody{Res: &types.PowerOffVM_TaskResponse{Returnval: task}}
}

func (c *companion) SuspendVMTask(ctx *simulator.Context, req *types.SuspendVM_Task) soap.HasFault {
	task := c.vc.task(c.id(), "SuspendVM_Task", "suspend", func(vm *simulator.VirtualMachine) (types.AnyType, types.BaseMethodFault) {
		if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff {
			return nil, &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStateSuspended, ExistingState: vm.Runtime.PowerState}
		}
		fault := faultOf(vm.SuspendVMTask(ctx, &types.SuspendVM_Task{This: vm.Self}).(*methods.SuspendVM_TaskBody).Res.Returnval)
		if fault == nil {
			c.vc.each(c.id(), (*guest).suspend)
		}
		return nil, fault
	})
	return &methods.SuspendVM_TaskBody{Res: &types.SuspendVM_TaskResponse{Returnval: task}}
}

func (c *companion) DestroyTask(ctx *simulator.Context, req *types.Destroy_Task) soap.HasFault {
	task := c.vc.task(c.id(), "Destroy_Task", "destroy", func(vm *simulator.VirtualMachine) (types.AnyType, types.BaseMethodFault) {
		if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
			return nil, &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState}
		}
		fault := faultOf(vm.DestroyTask(ctx, &types.Destroy_Task{This: vm.Self}).(*methods.Destroy_TaskBody).Res.Returnval)
		if fault == nil {
			os.RemoveAll(c.vc.machine(c.id()).disk)
		}
		return nil, fault
	})
	return &methods.Destroy_TaskBody{Res: &types.Destroy_TaskResponse{Returnval: task}}
}

func (c *companion) CreateSnapshotTask(ctx *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	task := c.vc.task(c.id(), "CreateSnapshot_Task", "createSnapshot", func(vm *simulator.VirtualMachine) (types.AnyType, types.BaseMethodFault) {
		ref := vm.CreateSnapshotTask(&types.CreateSnapshot_Task{This: vm.Self, Name: req.Name, Description: req.Description, Memory: req.Memory, Quiesce: req.Quiesce})
		done := simulator.Map.Get(ref.(*methods.CreateSnapshot_TaskBody).Res.Returnval).(*simulator.Task)
		if done.Info.Error != nil {
			return nil, done.Info.Error.Fault
		}
		snapshot := done.Info.Result.(types.ManagedObjectReference)
		disk := c.vc.newDisk()
		copyDisk(c.vc.machine(c.id()).disk, disk)
		c.vc.mu.Lock()
		c.vc.snapshots[snapshot.Value] = disk
		c.vc.mu.Unlock()
		describeDisk(vm, disk)
		return snapshot, nil
	})
	return &methods.CreateSnapshot_TaskBody{Res: &types.CreateSnapshot_TaskResponse{Returnval: task}}
}

// describeDisk gives the disk the content id and the size of what is on it.
func describeDisk(vm *simulator.VirtualMachine, disk string) {
	listing, _ := exec.Command("sh", "-c", `cd "$1" && find . -printf '%P %y %m %l\n' | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum`, "sh", disk).Output()
	var size int64
	filepath.Walk(disk, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	var devices []types.BaseVirtualDevice
	for _, device := range vm.Config.Hardware.Device {
		if d, ok := device.(*types.VirtualDisk); ok {
			d = duplicate(d).(*types.VirtualDisk)
			backing := duplicate(d.Backing).(*types.VirtualDiskFlatVer2BackingInfo)
			backing.ContentId = fmt.Sprintf("%x", sha256.Sum256(listing))[:32]
			d.Backing = backing
			device = d
		}
		devices = append(devices, device)
	}
	layout := types.VirtualMachineFileLayoutEx{}
	if vm.LayoutEx != nil {
		layout = *vm.LayoutEx
	}
	layout.File = append(layout.File, types.VirtualMachineFileLayoutExFileInfo{
		Key: int32(1000 + len(layout.File)), Name: "disk", Type: "diskExtent", Size: size, UniqueSize: size,
	})
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}, {Name: "layoutEx", Val: &layout}})
}

func copyDisk(from, to string) {
	if from != "" {
		must(exec.Command("cp", "-a", from+"/.", to).Run())
	}
}

func duplicate(p interface{}) interface{} {
	c := reflect.New(reflect.TypeOf(p).Elem())
	c.Elem().Set(reflect.ValueOf(p).Elem())
	return c.Interface()
}

func faultOf(task types.ManagedObjectReference) types.BaseMethodFault {
	if failed := simulator.Map.Get(task).(*simulator.Task).Info.Error; failed != nil {
		return failed.Fault
	}
	return nil
}
