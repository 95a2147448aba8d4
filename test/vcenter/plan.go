package main

import (
	"log"
	"reflect"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

var nullLog = log.New(discard{}, "", 0)

// planned is something that tests want to go wrong, or to take long.
type planned struct {
	method, at, fault string
	left              int
	delay             time.Duration
}

// plan holds it. `at` is where: `call` (before the call is carried out), `task` (its task fails, nothing happens),
// `late` (it happens, and then its task fails), `drop` (it happens, and the connection is closed without an answer).
type plan struct {
	mu    sync.Mutex
	items []*planned
}

func (p *plan) add(item *planned) {
	p.mu.Lock()
	p.items = append(p.items, item)
	p.mu.Unlock()
}

func (p *plan) clear() {
	p.mu.Lock()
	p.items = nil
	p.mu.Unlock()
}

// take gives the name of the fault that is due, once; empty where none is.
func (p *plan) take(method, at string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, item := range p.items {
		if item.method == method && item.at == at && item.fault != "" && item.left > 0 {
			item.left--
			return item.fault
		}
	}
	return ""
}

func (p *plan) delay(method, at string) (longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, item := range p.items {
		if (item.method == method || item.method == "*") && item.at == at && item.delay > longest {
			longest = item.delay
		}
	}
	return
}

// newFault makes an empty fault of that name; a name that there is not is a SystemError.
func newFault(name string) types.BaseMethodFault {
	if name == "" {
		return nil
	}
	if typ, ok := types.TypeFunc()(name); ok {
		if fault, ok := reflect.New(typ).Interface().(types.BaseMethodFault); ok {
			return fault
		}
	}
	return &types.SystemError{Reason: name}
}
