package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

// front is the server that clients see: TLS, WSDL, sessions, strictness, faults; what it lets through goes to the library.
type front struct {
	vc       *vcenter
	inner    http.Handler
	wsdl     string
	tls      *tls.Config
	mu       sync.Mutex
	listener net.Listener
	server   *http.Server
	sessions map[string]bool
	calls    map[string]int
	pages    pages
}

func newFront(vc *vcenter, inner http.Handler, wsdl string) *front {
	return &front{vc: vc, inner: inner, wsdl: wsdl, sessions: map[string]bool{}, calls: map[string]int{}}
}

func (f *front) open(certificate tls.Certificate, address string) error {
	f.tls = &tls.Config{Certificates: []tls.Certificate{certificate}}
	return f.listen(address)
}

func (f *front) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: f, ErrorLog: nullLog}
	f.mu.Lock()
	f.listener, f.server = l, server
	f.mu.Unlock()
	go server.Serve(tls.NewListener(l, f.tls))
	return nil
}

func (f *front) address() string { return f.listener.Addr().String() }

// restart is a vCenter that goes away for some time and comes back: the machines run on, its sessions are gone.
func (f *front) restart(down time.Duration) {
	f.mu.Lock()
	address, server := f.listener.Addr().String(), f.server
	f.sessions = map[string]bool{}
	f.mu.Unlock()
	server.Close()
	time.Sleep(down)
	for f.listen(address) != nil {
		time.Sleep(10 * time.Millisecond)
	}
}

var (
	operation  = regexp.MustCompile(`<(?:[\w-]+:)?Body[^>]*>\s*<(?:[\w-]+:)?(\w+)`)
	ofMachine  = regexp.MustCompile(`(_this[^>]*type=")VirtualMachine(")`)
	ofInstance = regexp.MustCompile(`_this>ServiceInstance<`)
)

// These are legal without a session.
var open = map[string]bool{"RetrieveServiceContent": true, "Login": true, "CurrentTime": true}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == "GET" && (strings.HasSuffix(r.URL.Path, ".wsdl") || strings.HasSuffix(r.URL.Path, ".xsd")) {
		f.mu.Lock()
		f.calls["WSDL"]++
		f.mu.Unlock()
		http.ServeFile(w, r, path.Join(f.wsdl, path.Base(r.URL.Path)))
		return
	}
	if strings.HasPrefix(r.URL.Path, "/folder/") {
		if !f.known(r) {
			refuse(w, http.StatusUnauthorized, "no session")
			return
		}
		f.inner.ServeHTTP(w, r)
		return
	}
	if r.Method != "POST" || !strings.HasPrefix(r.URL.Path, "/sdk") {
		f.inner.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	found := operation.FindSubmatch(body)
	if found == nil {
		writeFault(w, "no operation in the request", "InvalidRequest", "")
		return
	}
	f.serveCall(w, r, string(found[1]), body)
}

func (f *front) serveCall(w http.ResponseWriter, r *http.Request, method string, body []byte) {
	f.mu.Lock()
	f.calls[method]++
	f.mu.Unlock()
	// A real vCenter takes a _this without a type; the library does not.
	body = ofInstance.ReplaceAll(body, []byte(`_this type="ServiceInstance">ServiceInstance<`))
	if err := strict(body); err != nil {
		writeFault(w, err.Error(), "InvalidRequest", "")
		return
	}
	time.Sleep(f.vc.plan.delay(method, "call"))
	if !open[method] && !f.known(r) {
		// Clients must not go by the text, which is in the server's language.
		writeFault(w, "Die Sitzung ist nicht authentifiziert.", "NotAuthenticated", "<object type=\"Folder\">group-d1</object><privilegeId>System.View</privilegeId>")
		return
	}
	if fault := f.vc.plan.take(method, "call"); fault != "" {
		writeFault(w, "", fault, "")
		return
	}
	if f.vc.companionOf[method] {
		body = ofMachine.ReplaceAll(body, []byte(`${1}InstantCloner${2}`))
	}
	r.URL.Path = "/sdk"
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	if f.vc.plan.take(method, "drop") != "" {
		// It happens, and nobody is told.
		f.inner.ServeHTTP(httptest.NewRecorder(), r)
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
		return
	}
	if method == "RetrievePropertiesEx" || method == "ContinueRetrievePropertiesEx" {
		f.pages.serve(w, r, f.inner, method, body)
		return
	}
	f.inner.ServeHTTP(&login{ResponseWriter: w, front: f, method: method}, r)
}

// known tells whether a request carries the cookie of a session that has not expired.
func (f *front) known(r *http.Request) bool {
	cookie, err := r.Cookie("vmware_soap_session")
	if err != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[strings.Trim(cookie.Value, `"`)]
}

func (f *front) expire() {
	f.mu.Lock()
	f.sessions = map[string]bool{}
	f.mu.Unlock()
}

// login sees the cookie of a new session go by.
type login struct {
	http.ResponseWriter
	front  *front
	method string
}

func (l *login) WriteHeader(status int) {
	if l.method == "Login" && status == http.StatusOK {
		response := http.Response{Header: l.Header()}
		for _, cookie := range response.Cookies() {
			l.front.mu.Lock()
			l.front.sessions[strings.Trim(cookie.Value, `"`)] = true
			l.front.mu.Unlock()
		}
	}
	l.ResponseWriter.WriteHeader(status)
}

const envelope = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring><detail><%sFault xmlns="urn:vim25" xsi:type="%s">%s</%sFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`

func writeFault(w http.ResponseWriter, text, fault, inside string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, envelope, strings.NewReplacer("<", "&lt;", "&", "&amp;").Replace(text), fault, fault, inside, fault)
}
