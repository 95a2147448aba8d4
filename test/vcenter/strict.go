package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// One element of a type: its name, its Go type, whether it must be there.
type field struct {
	name     string
	typ      reflect.Type
	required bool
}

// flatten lists the elements of a vim25 struct in schema order: those of the base type first.
func flatten(t reflect.Type) (fs []field) {
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		if f.Anonymous {
			fs = append(fs, flatten(f.Type)...)
			continue
		}
		tag := strings.Split(f.Tag.Get("xml"), ",")
		if tag[0] == "" || len(tag) > 1 && tag[1] == "attr" {
			continue
		}
		opt := f.Type.Kind() == reflect.Ptr || strings.Contains(f.Tag.Get("xml"), "omitempty")
		fs = append(fs, field{tag[0], f.Type, !opt})
	}
	return
}

// elemType is what stands behind pointers, slices and the library's `Base…` interfaces.
func elemType(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Ptr || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Interface && strings.HasPrefix(t.Name(), "Base") {
		if c, ok := types.TypeFunc()(t.Name()[4:]); ok {
			return c
		}
	}
	return t
}

// strict does what a real vCenter does and the simulator does not: it refuses elements that are unknown, out of
// schema order or missing, and values of anyType without xsi:type.
func strict(body []byte) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	type frame struct {
		name string
		t    reflect.Type
		fs   []field
		at   int
		seen map[string]bool
	}
	var st []frame
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch e := tok.(type) {
		case xml.StartElement:
			depth++
			n := e.Name.Local
			if depth < 3 || n == "Header" {
				continue
			}
			var t reflect.Type
			if len(st) == 0 {
				c, ok := types.TypeFunc()(n)
				if !ok {
					return fmt.Errorf("no such method: %s", n)
				}
				t = c
			} else {
				p := &st[len(st)-1]
				i := -1
				for k, f := range p.fs {
					if f.name == n {
						i = k
					}
				}
				if i < 0 {
					return fmt.Errorf("%s: unexpected element %s", p.name, n)
				}
				if i < p.at {
					return fmt.Errorf("%s: element %s after %s", p.name, n, p.fs[p.at].name)
				}
				p.at = i
				p.seen[n] = true
				t = elemType(p.fs[i].typ)
			}
			xsi := ""
			for _, a := range e.Attr {
				if a.Name.Local == "type" && strings.HasSuffix(a.Name.Space, "XMLSchema-instance") {
					xsi = a.Value[strings.Index(a.Value, ":")+1:]
				}
			}
			if c, ok := types.TypeFunc()(xsi); ok {
				t = c
			} else if t.Kind() == reflect.Interface && xsi == "" {
				return fmt.Errorf("%s: anyType without xsi:type", n)
			}
			fr := frame{name: n, t: t, seen: map[string]bool{}}
			if t.Kind() == reflect.Struct && t != reflect.TypeOf(types.ManagedObjectReference{}) {
				fr.fs = flatten(t)
			}
			st = append(st, fr)
		case xml.EndElement:
			if depth--; len(st) > 0 {
				f := st[len(st)-1]
				for _, x := range f.fs {
					if x.required && !f.seen[x.name] && x.typ.Kind() != reflect.Slice {
						return fmt.Errorf("%s: missing element %s", f.name, x.name)
					}
				}
				st = st[:len(st)-1]
			}
		}
	}
}
