package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// ReconfigVMTask merges extraConfig by key, removes keys with an empty value, renames, refuses what was prepared on an
// older configuration, and tells property collectors; the library does none of that.
func (c *companion) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	task := c.vc.task(c.id(), "ReconfigVM_Task", "reconfigVm", func(vm *simulator.VirtualMachine) (types.AnyType, types.BaseMethodFault) {
		spec := req.Spec
		if spec.ChangeVersion != "" && spec.ChangeVersion != vm.Config.ChangeVersion {
			return nil, new(types.ConcurrentAccess)
		}
		if spec.Name != "" && spec.Name != vm.Name {
			folder, ok := simulator.Map.Get(*vm.Parent).(*simulator.Folder)
			if ok && simulator.Map.FindByName(spec.Name, folder.ChildEntity) != nil {
				return nil, &types.DuplicateName{Name: spec.Name, Object: vm.Self}
			}
		}
		described(spec.DeviceChange)
		set := spec.ExtraConfig
		spec.ExtraConfig = nil
		if fault := faultOf(vm.ReconfigVMTask(ctx, &types.ReconfigVM_Task{This: vm.Self, Spec: spec}).(*methods.ReconfigVM_TaskBody).Res.Returnval); fault != nil {
			return nil, fault
		}
		changes := []types.PropertyChange{{Name: "config.changeVersion", Val: c.vc.nextChange()}}
		if spec.Name != "" {
			changes = append(changes, types.PropertyChange{Name: "name", Val: spec.Name})
		}
		if len(set) > 0 {
			changes = append(changes, types.PropertyChange{Name: "config.extraConfig", Val: merged(vm.Config.ExtraConfig, set)})
		}
		simulator.Map.Update(vm, changes)
		c.vc.told(vm, set)
		return nil, nil
	})
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: task}}
}

// described gives devices that are edited a description, without which the library fails.
func described(changes []types.BaseVirtualDeviceConfigSpec) {
	for _, change := range changes {
		if device := change.GetVirtualDeviceConfigSpec().Device.GetVirtualDevice(); device.DeviceInfo == nil {
			device.DeviceInfo = &types.Description{}
		}
	}
}

func (v *vcenter) nextChange() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changes++
	return fmt.Sprintf("change-%d", v.changes)
}

// merged is `old` with the keys of `set` instead of its own; an empty value takes a key away.
func merged(old, set []types.BaseOptionValue) []types.BaseOptionValue {
	result := []types.BaseOptionValue{}
next:
	for _, o := range old {
		for _, n := range set {
			if n.GetOptionValue().Key == o.GetOptionValue().Key {
				continue next
			}
		}
		result = append(result, o)
	}
	for _, n := range set {
		if text, ok := n.GetOptionValue().Value.(string); !ok || text != "" {
			result = append(result, n)
		}
	}
	return result
}

func extra(vm *simulator.VirtualMachine, key string) (string, bool) {
	for _, o := range vm.Config.ExtraConfig {
		if o.GetOptionValue().Key == key {
			text, ok := o.GetOptionValue().Value.(string)
			return text, ok
		}
	}
	return "", false
}
