package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// guest is the processes that play what runs in one machine: the real init of this project, with a stand-in for
// VMware's vmware-rpctool that asks us. Memory cannot be copied here, so copies of a guest run beside it from its boot,
// on the same input: one of them becomes the clone. A guest that is frozen waits in `instantclone.freeze` until then.
type guest struct {
	id, vm, disk, log string
	spare             bool
	frozen            bool
	up                string
	alias             [][2]string
	before            string
	// What the host wrote for a spare's machine and the spare has not read yet: it must miss nothing its source has read.
	downs   []down
	woken   chan struct{}
	ended   chan struct{}
	command *exec.Cmd
}

var (
	lastLine = regexp.MustCompile(` last=(\d+)`)
	drawn    = regexp.MustCompile(` (?:boot|inc)=([0-9a-f]{16})`)
)

// aliases pairs what two copies of a guest have each drawn by itself (its boot, its incarnation): in the memory of a
// clone these would be the same, so a spare hears and says its source's.
func aliases(source, spare *guest) (pairs [][2]string) {
	theirs, own := drawn.FindAllStringSubmatch(source.up, -1), drawn.FindAllStringSubmatch(spare.up, -1)
	for i := 0; i < len(theirs) && i < len(own); i++ {
		pairs = append(pairs, [2]string{theirs[i][1], own[i][1]})
	}
	return
}

func replaced(text string, pairs [][2]string, from, to int) string {
	for _, pair := range pairs {
		text = strings.ReplaceAll(text, pair[from], pair[to])
	}
	return text
}

func (v *vcenter) boot(vm *simulator.VirtualMachine) {
	if v.guest == "" || vm.Name == "portlayer-template" {
		return
	}
	m := v.machine(vm.Self.Value)
	if m.disk == "" {
		m.disk = v.newDisk()
	}
	log := v.serialFile(vm)
	spares := v.spares
	if text, ok := extra(vm, "test.spares"); ok {
		spares, _ = strconv.Atoi(text)
	}
	copies := []string{}
	for i := 0; i < spares; i++ {
		disk := v.newDisk()
		copyDisk(m.disk, disk)
		copies = append(copies, disk)
	}
	guests := []*guest{v.startGuest(vm.Self.Value, m.disk, log, false)}
	for _, disk := range copies {
		guests = append(guests, v.startGuest(vm.Self.Value, disk, disk+".log", true))
	}
	first, _ := extra(vm, downKey)
	v.mu.Lock()
	for _, g := range guests {
		g.before = first
	}
	m.guests = guests
	v.mu.Unlock()
}

// serialFile is the file behind the machine's serial port, on the host's file system.
func (v *vcenter) serialFile(vm *simulator.VirtualMachine) string {
	for _, device := range vm.Config.Hardware.Device {
		port, ok := device.(*types.VirtualSerialPort)
		if !ok {
			continue
		}
		backing, ok := port.Backing.(*types.VirtualSerialPortFileBackingInfo)
		if !ok {
			continue
		}
		parts := regexp.MustCompile(`^\[(.*)\] (.*)$`).FindStringSubmatch(backing.FileName)
		if parts == nil {
			continue
		}
		for _, one := range simulator.Map.All("Datastore") {
			datastore := one.(*simulator.Datastore)
			if datastore.Name == parts[1] {
				path := filepath.Join(datastore.Info.GetDatastoreInfo().Url, parts[2])
				os.MkdirAll(filepath.Dir(path), 0755)
				if file, err := os.OpenFile(path, os.O_CREATE, 0600); err == nil {
					file.Close()
				}
				return path
			}
		}
	}
	return os.DevNull
}

func (v *vcenter) startGuest(vm, disk, log string, spare bool) *guest {
	if file, err := os.OpenFile(log, os.O_CREATE, 0600); err == nil {
		file.Close()
	}
	id := make([]byte, 8)
	rand.Read(id)
	g := &guest{id: hex.EncodeToString(id), vm: vm, disk: disk, log: log, spare: spare, woken: make(chan struct{}, 1), ended: make(chan struct{})}
	v.mu.Lock()
	guests[g.id] = g
	v.mu.Unlock()
	console, _ := os.OpenFile(filepath.Join(v.directory, "console-"+g.id), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0600)
	g.command = exec.Command(v.guest, disk, log, controlURL+"/rpc/"+g.id, filepath.Join(filepath.Dir(os.Args[0]), "bin"))
	g.command.Stdout, g.command.Stderr = console, console
	g.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	must(g.command.Start())
	go func() {
		g.command.Wait()
		console.Close()
		close(g.ended)
	}()
	return g
}

var (
	guests     = map[string]*guest{}
	controlURL string
)

// down is what the host wrote when the source had said so many lines: a spare may read it once it has said as many, or
// it would be stopped before it has come to where its source was.
type down struct {
	text string
	said int
}

const downKey = "guestinfo.portlayer.down"

// told keeps what the host writes for the spares of a machine.
func (v *vcenter) told(vm *simulator.VirtualMachine, set []types.BaseOptionValue) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, o := range set {
		text, ok := o.GetOptionValue().Value.(string)
		if m := v.machines[vm.Self.Value]; ok && m != nil && o.GetOptionValue().Key == downKey {
			for _, g := range m.guests {
				g.downs = append(g.downs, down{text, came(m.guests[0])})
			}
		}
	}
}

// rpc is one command of vmware-rpctool. The answer's first word is 1 where it was carried out.
func (v *vcenter) rpc(id, command string) string {
	v.mu.Lock()
	g := guests[id]
	v.mu.Unlock()
	if g == nil {
		return "0 no such guest"
	}
	word, rest, _ := strings.Cut(command, " ")
	switch word {
	case "info-get":
		vm := virtualMachine(g.vm)
		if vm == nil {
			return "0 gone"
		}
		var value string
		var found bool
		simulator.Map.WithLock(vm, func() { value, found = extra(vm, rest) })
		if !found {
			return "0 No value found"
		}
		v.mu.Lock()
		pairs := g.alias
		if m := v.machines[g.vm]; g.spare && m != nil && len(m.guests) > 0 {
			pairs = aliases(m.guests[0], g)
		}
		if g.spare && rest == downKey && len(g.downs) > 0 {
			// Before its boot is known it would take nothing as meant for it.
			if came(g) < g.downs[0].said || len(pairs) == 0 {
				v.mu.Unlock()
				return "1 " + g.before
			}
			value = g.downs[0].text
			if len(g.downs) > 1 {
				g.downs = g.downs[1:]
			}
		}
		v.mu.Unlock()
		value = replaced(value, pairs, 0, 1)
		if rest == downKey {
			g.before = value
		}
		return "1 " + value
	case "info-set":
		key, value, _ := strings.Cut(rest, " ")
		if key == "guestinfo.portlayer.up" {
			v.mu.Lock()
			g.up = value
			v.mu.Unlock()
		}
		v.set(g, key, value)
		return "1 "
	case "instantclone.freeze":
		return v.freeze(g)
	}
	return "0 Unknown command"
}

func (v *vcenter) set(g *guest, key, value string) {
	v.mu.Lock()
	spare, id := g.spare, g.vm
	v.mu.Unlock()
	vm := virtualMachine(id)
	if spare || vm == nil {
		return
	}
	v.machineSet(vm, key, replaced(value, g.alias, 1, 0))
}

// machineSet is what a guest sets: it is seen by property collectors, and goes with the power.
func (v *vcenter) machineSet(vm *simulator.VirtualMachine, key, value string) {
	v.mu.Lock()
	m := v.machines[vm.Self.Value]
	if m != nil {
		m.wrote[key] = true
	}
	v.mu.Unlock()
	simulator.Map.WithLock(vm, func() {
		set := []types.BaseOptionValue{&types.OptionValue{Key: key, Value: value}}
		simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.extraConfig", Val: merged(vm.Config.ExtraConfig, set)}})
	})
}

func (v *vcenter) freeze(g *guest) string {
	v.mu.Lock()
	g.frozen = true
	spare, id := g.spare, g.vm
	v.mu.Unlock()
	if vm := virtualMachine(id); vm != nil && !spare {
		simulator.Map.WithLock(vm, func() {
			simulator.Map.Update(vm, []types.PropertyChange{{Name: "runtime.instantCloneFrozen", Val: true}})
		})
	}
	select {
	case <-g.woken:
		return "1 "
	case <-g.ended:
		return "0 ended"
	}
}

// handOver gives the child of an Instant Clone what runs in it: a spare of its source that has come as far. Of a frozen
// source it gets one; of a running one all there are, so that the child can be frozen and cloned in its turn.
func (v *vcenter) handOver(source, child *simulator.VirtualMachine) types.BaseMethodFault {
	from, to := v.machine(source.Self.Value), v.machine(child.Self.Value)
	if v.guest == "" {
		return nil
	}
	v.mu.Lock()
	ready := v.ready(from)
	if len(ready) == 0 {
		v.mu.Unlock()
		fmt.Fprintln(os.Stderr, "no spare guest of", source.Name, "has come as far as it:")
		for _, g := range from.guests {
			fmt.Fprintln(os.Stderr, "  ", g.frozen, g.up)
		}
		return &types.GenericVmConfigFault{Reason: "no spare guest is ready to become a clone"}
	}
	first, taken, left := from.guests[0], []*guest{}, []*guest{}
	for i, g := range from.guests {
		if contains(ready, i) {
			taken = append(taken, g)
		} else {
			left = append(left, g)
		}
	}
	from.guests = left
	to.guests, to.disk = taken, taken[0].disk
	for i, g := range taken {
		if g.spare && g.alias == nil {
			g.alias = aliases(first, g)
		}
		g.vm, g.spare, g.downs = child.Self.Value, i > 0, nil
		if g.frozen {
			g.frozen = false
			g.woken <- struct{}{}
		}
	}
	v.mu.Unlock()
	// What the child writes from here on goes to its own serial port.
	redirect(taken[0], v.serialFile(child))
	return nil
}

// ready is which spares can be handed over now: one of a frozen source, all of a running one once all have come as far.
func (v *vcenter) ready(from *machine) (ready []int) {
	if len(from.guests) < 2 {
		return nil
	}
	first := from.guests[0]
	for i, g := range from.guests[1:] {
		if g.frozen == first.frozen && came(g) >= came(first) {
			ready = append(ready, i+1)
		}
	}
	if first.frozen && len(ready) > 0 {
		return ready[:1]
	}
	if first.frozen || len(ready) < len(from.guests)-1 {
		return nil
	}
	return ready
}

// awaitSpares waits until a machine has spares to hand over; not for a machine that has none.
func (v *vcenter) awaitSpares(id string) {
	m := v.machine(id)
	for until := time.Now().Add(60 * time.Second); v.guest != "" && time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		v.mu.Lock()
		enough := len(m.guests) < 2 || len(v.ready(m)) > 0
		v.mu.Unlock()
		if enough {
			return
		}
	}
}

// redirect puts what a spare has written into the file of the port it has now, and goes on copying.
func redirect(g *guest, to string) {
	in, err := os.Open(g.log)
	if err != nil {
		return
	}
	in.Seek(0, 2)
	go func() {
		defer in.Close()
		out, err := os.OpenFile(to, os.O_WRONLY|os.O_APPEND, 0600)
		if err != nil {
			return
		}
		defer out.Close()
		for {
			if n, _ := out.ReadFrom(in); n == 0 {
				select {
				case <-g.ended:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}
	}()
}

func came(g *guest) int {
	found := lastLine.FindStringSubmatch(g.up)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

func contains(all []int, one int) bool {
	for _, i := range all {
		if i == one {
			return true
		}
	}
	return false
}

// shutDown ends the guests of a machine, and forgets what they had set.
func (v *vcenter) shutDown(vm *simulator.VirtualMachine) {
	v.mu.Lock()
	m := v.machines[vm.Self.Value]
	if m == nil {
		v.mu.Unlock()
		return
	}
	ending, wrote := m.guests, m.wrote
	m.guests, m.wrote = nil, map[string]bool{}
	v.mu.Unlock()
	for _, g := range ending {
		g.end()
	}
	gone := []types.BaseOptionValue{}
	for key := range wrote {
		gone = append(gone, &types.OptionValue{Key: key, Value: ""})
	}
	simulator.Map.Update(vm, []types.PropertyChange{
		{Name: "config.extraConfig", Val: merged(vm.Config.ExtraConfig, gone)},
		{Name: "runtime.instantCloneFrozen", Val: false},
	})
}

func (v *vcenter) each(id string, what func(*guest)) {
	m := v.machine(id)
	v.mu.Lock()
	all := append([]*guest{}, m.guests...)
	v.mu.Unlock()
	for _, g := range all {
		what(g)
	}
}

func (v *vcenter) endGuests() {
	v.mu.Lock()
	all := []*guest{}
	for _, g := range guests {
		all = append(all, g)
	}
	v.mu.Unlock()
	for _, g := range all {
		g.end()
	}
}

func (g *guest) end() {
	syscall.Kill(g.command.Process.Pid, syscall.SIGKILL)
	<-g.ended
}

// suspend stops every process of the guest; a process that was just made is found in a further round.
func (g *guest) suspend() {
	for round := 0; round < 50; round++ {
		running := 0
		for _, pid := range below(g.command.Process.Pid) {
			if stateOf(pid) != "T" && stateOf(pid) != "Z" {
				running++
				syscall.Kill(pid, syscall.SIGSTOP)
			}
		}
		if running == 0 {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (g *guest) resume() {
	for _, pid := range below(g.command.Process.Pid) {
		syscall.Kill(pid, syscall.SIGCONT)
	}
}

// below is every process under `top`, which stays out of it: it only waits for them.
func below(top int) []int {
	children := map[int][]int{}
	entries, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range entries {
		fields := statOf(path)
		if len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			children[parent] = append(children[parent], pid)
		}
	}
	found := []int{}
	for queue := children[top]; len(queue) > 0; queue = queue[1:] {
		found = append(found, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return found
}

func statOf(path string) []string {
	text, _ := os.ReadFile(path)
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest)
}

func stateOf(pid int) string {
	if fields := statOf(fmt.Sprintf("/proc/%d/stat", pid)); len(fields) > 0 {
		return fields[0]
	}
	return "Z"
}
