package httpsig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// derived are the components that are not fields (RFC 9421, section 2.2).
var derived = []string{
	"@method", "@target-uri", "@authority", "@scheme", "@request-target",
	"@path", "@query", "@query-param", "@status",
}

// parseComponents reads the components of a configuration: the name, then the
// parameters as RFC 9421 writes them, such as `@query-param;name="id"`.
func parseComponents(specs []string) ([]item, error) {
	var list []item
	var errs []error
	for _, spec := range specs {
		name, rest, found := strings.Cut(spec, ";")
		text := bareString(name)
		if found {
			text += ";" + rest
		}
		c, err := parseItem(text)
		if err == nil {
			err = checkComponent(c)
		}
		if err == nil && contains(list, c) {
			err = errors.New("is there twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("httpsig: component %q: %w", spec, err))
			continue
		}
		list = append(list, c)
	}
	return list, errors.Join(errs...)
}

// contains reports whether the list has the component, with parameters in any
// order.
func contains(list []item, c item) bool {
	return slices.ContainsFunc(list, func(other item) bool { return same(other, c) })
}

// same reports whether two identifiers name one component (RFC 9421, section
// 2): the order of the parameters does not matter.
func same(a, b item) bool {
	if a.value != b.value || len(a.params) != len(b.params) {
		return false
	}
	for _, p := range a.params {
		if v, ok := b.params.get(p.name); !ok || v != p.value {
			return false
		}
	}
	return true
}

// checkComponent refuses what this package cannot sign. What is not understood
// is an error, never an empty line.
func checkComponent(c item) error {
	name, ok := c.value.(string)
	if !ok || name == "" {
		return errors.New("is not a name")
	}
	isDerived := strings.HasPrefix(name, "@")
	switch {
	case isDerived && !slices.Contains(derived, name):
		return errors.New("is unknown")
	case !isDerived && !isFieldName(name):
		return errors.New("is not a field name in lower case")
	}
	for _, p := range c.params {
		if err := checkParam(name, isDerived, p); err != nil {
			return err
		}
	}
	_, sf := c.params.get("sf")
	_, key := c.params.get("key")
	_, bs := c.params.get("bs")
	switch {
	case bs && (sf || key):
		return errors.New("has bs and sf or key, which exclude each other")
	case sf && !key && !slices.Contains(dictionaries, name):
		return errors.New("has sf, but is not a field whose type is known here")
	}
	if _, named := c.params.get("name"); name == "@query-param" && !named {
		return errors.New("needs a name")
	}
	return nil
}

func checkParam(name string, isDerived bool, p param) error {
	wrong := errors.New("has the parameter " + p.name + ", which it cannot have")
	switch p.name {
	case "req":
		if p.value != true || name == "@status" {
			return wrong
		}
	case "sf", "bs":
		if p.value != true || isDerived {
			return wrong
		}
	case "key":
		if _, ok := p.value.(string); !ok || isDerived {
			return wrong
		}
	case "name":
		if _, ok := p.value.(string); !ok || name != "@query-param" {
			return wrong
		}
	default:
		return wrong
	}
	return nil
}

func isFieldName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isTokenByte(c) || c == ':' || c == '/' || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// dictionaries are the fields that "sf" can be asked for.
var dictionaries = []string{
	"accept-signature", "content-digest", "priority", "repr-digest", "signature",
	"signature-input", "want-content-digest", "want-repr-digest",
}
