package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// serveControl opens the port over which tests play guests and make things go wrong, and guests their hypervisor.
// Its address. No client of a vCenter knows of it.
func (f *front) serveControl() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	controlURL = "http://" + l.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("/rpc/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, f.vc.rpc(path.Base(r.URL.Path), strings.TrimSuffix(string(body), "\n")))
	})
	mux.HandleFunc("/guest/", f.playGuest)
	mux.HandleFunc("/machines", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(f.vc.listMachines()) })
	mux.HandleFunc("/calls", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		json.NewEncoder(w).Encode(f.calls)
	})
	mux.HandleFunc("/expire", func(w http.ResponseWriter, r *http.Request) { f.expire() })
	mux.HandleFunc("/restart", func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
		f.restart(time.Duration(ms) * time.Millisecond)
	})
	mux.HandleFunc("/plan", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("method") == "" {
			f.vc.plan.clear()
			return
		}
		count, _ := strconv.Atoi(q.Get("count"))
		ms, _ := strconv.Atoi(q.Get("ms"))
		f.vc.plan.add(&planned{method: q.Get("method"), at: q.Get("at"), fault: q.Get("fault"), left: count, delay: time.Duration(ms) * time.Millisecond})
	})
	go http.Serve(l, mux)
	return controlURL
}

// playGuest is for machines without processes: POST /guest/vm-45/freeze, /guest/vm-45/set?key=…&value=…, /guest/vm-45/off
func (f *front) playGuest(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) < 4 || virtualMachine(parts[2]) == nil {
		http.NotFound(w, r)
		return
	}
	vm := virtualMachine(parts[2])
	switch parts[3] {
	case "set":
		f.vc.machineSet(vm, r.URL.Query().Get("key"), r.URL.Query().Get("value"))
	case "freeze":
		simulator.Map.WithLock(vm, func() {
			simulator.Map.Update(vm, []types.PropertyChange{{Name: "runtime.instantCloneFrozen", Val: true}})
		})
	case "off":
		simulator.Map.WithLock(vm, func() {
			simulator.Map.Update(vm, []types.PropertyChange{
				{Name: "runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOff},
				{Name: "summary.runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOff},
			})
			f.vc.shutDown(vm)
		})
	}
}

type listed struct {
	Id     string            `json:"id"`
	Name   string            `json:"name"`
	Power  string            `json:"power"`
	Frozen bool              `json:"frozen"`
	Uuid   string            `json:"uuid"`
	Extra  map[string]string `json:"extra"`
	// What each played guest has told last: the machine's own first, then its spares.
	Guests []string `json:"guests"`
}

func (v *vcenter) listMachines() []listed {
	all := []listed{}
	for _, one := range simulator.Map.All("VirtualMachine") {
		vm := one.(*simulator.VirtualMachine)
		simulator.Map.WithLock(vm, func() {
			frozen := vm.Runtime.InstantCloneFrozen != nil && *vm.Runtime.InstantCloneFrozen
			item := listed{vm.Self.Value, vm.Name, string(vm.Runtime.PowerState), frozen, vm.Config.Uuid, map[string]string{}, []string{}}
			v.mu.Lock()
			if m := v.machines[vm.Self.Value]; m != nil {
				for _, g := range m.guests {
					item.Guests = append(item.Guests, g.up)
				}
			}
			v.mu.Unlock()
			for _, o := range vm.Config.ExtraConfig {
				if text, ok := o.GetOptionValue().Value.(string); ok {
					item.Extra[o.GetOptionValue().Key] = text
				}
			}
			all = append(all, item)
		})
	}
	return all
}
