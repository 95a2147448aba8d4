// A vCenter for tests: VMware's own simulator library (govmomi, as Debian packages it) with what it lacks and this
// project needs: Instant Clone, tasks that take time, sessions that expire, a WSDL, strict requests, faults on demand,
// and guests that are played by real processes. Built by test/setup/parts/vcenter.sh.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func main() {
	directory := flag.String("directory", "", "an empty directory for certificates, disks and logs")
	wsdl := flag.String("wsdl", "", "the directory of vimService.wsdl and its neighbours")
	guest := flag.String("guest", "", "the program that plays a guest; none: guests are played over the control port")
	version := flag.String("api", "7.0", "about.apiVersion")
	spares := flag.Int("spares", 0, "how many further copies of each played guest run beside it, to become its clones")
	verbose := flag.Bool("verbose", false, "log what the simulator does")
	flag.Parse()
	if !*verbose {
		log.SetOutput(discard{})
	}

	model := simulator.VPX()
	model.Host, model.Machine = 0, 2
	must(model.Create())
	defer model.Remove()
	model.ServiceContent.About.ApiVersion = *version
	instance := simulator.Map.Get(types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"})
	instance.(*simulator.ServiceInstance).Content.About.ApiVersion = *version
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword("svc", "s3cret")}

	vc := newVCenter(*directory, *guest, *spares)
	vc.addCompanions()
	vc.addTemplate()
	// The library's own server is not used but for its handler: ours can be shut and opened again.
	inner := model.Service.NewServer().Config.Handler
	front := newFront(vc, inner, *wsdl)
	certificate := newCertificate(filepath.Join(*directory, "ca.pem"))
	must(front.open(certificate, "127.0.0.1:0"))
	control := front.serveControl()

	json.NewEncoder(os.Stdout).Encode(map[string]string{
		"address": front.address(), "control": control, "ca": filepath.Join(*directory, "ca.pem"),
	})
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// Whoever started us holds our standard input: its end is ours.
	go func() {
		buffer := make([]byte, 64)
		for {
			if _, err := os.Stdin.Read(buffer); err != nil {
				ended <- syscall.SIGTERM
				return
			}
		}
	}()
	<-ended
	vc.endGuests()
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "vcenter:", err)
		os.Exit(1)
	}
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}
