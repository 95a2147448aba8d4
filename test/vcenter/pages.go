package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
)

// pages gives the answers of RetrievePropertiesEx in pieces of maxObjects, which the library ignores.
type pages struct {
	mu   sync.Mutex
	next int
	rest map[string][][]byte
}

var (
	maxObjects = regexp.MustCompile(`<(?:[\w-]+:)?maxObjects>(\d+)<`)
	token      = regexp.MustCompile(`<(?:[\w-]+:)?token>(\d+)<`)
	objects    = regexp.MustCompile(`(?s)<objects>.*?</objects>`)
)

func (p *pages) serve(w http.ResponseWriter, r *http.Request, inner http.Handler, method string, body []byte) {
	if method == "ContinueRetrievePropertiesEx" {
		p.more(w, body)
		return
	}
	recorder := httptest.NewRecorder()
	inner.ServeHTTP(recorder, r)
	answer := recorder.Body.Bytes()
	most := 0
	if found := maxObjects.FindSubmatch(body); found != nil {
		most, _ = strconv.Atoi(string(found[1]))
	}
	all := objects.FindAll(answer, -1)
	if most > 0 && len(all) > most {
		kept := append(p.keep(all[most:], most), bytes.Join(all[:most], nil)...)
		start := objects.FindIndex(answer)[0]
		end := bytes.LastIndex(answer, []byte("</objects>")) + len("</objects>")
		answer = append(append(append([]byte{}, answer[:start]...), kept...), answer[end:]...)
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(recorder.Code)
	w.Write(answer)
}

// keep remembers what did not fit, in pages; the element with the token that asks for it.
func (p *pages) keep(rest [][]byte, most int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	if p.rest == nil {
		p.rest = map[string][][]byte{}
	}
	name := strconv.Itoa(p.next)
	p.rest[name] = append([][]byte{[]byte(strconv.Itoa(most))}, rest...)
	return []byte("<token>" + name + "</token>")
}

func (p *pages) more(w http.ResponseWriter, body []byte) {
	found := token.FindSubmatch(body)
	p.mu.Lock()
	var kept [][]byte
	if found != nil {
		kept = p.rest[string(found[1])]
		delete(p.rest, string(found[1]))
	}
	p.mu.Unlock()
	if kept == nil {
		writeFault(w, "", "InvalidArgument", "")
		return
	}
	most, _ := strconv.Atoi(string(kept[0]))
	page, next := kept[1:], []byte{}
	if len(page) > most {
		next = p.keep(page[most:], most)
		page = page[:most]
	}
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><ContinueRetrievePropertiesExResponse xmlns="urn:vim25"><returnval>%s%s</returnval></ContinueRetrievePropertiesExResponse></soapenv:Body></soapenv:Envelope>`, next, bytes.Join(page, nil))
}
