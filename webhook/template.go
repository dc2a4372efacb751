package webhook

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A part is a piece of what a signature covers.
type part struct {
	kind partKind
	text string   // of a constant
	path []string // of a value in the body
	next string   // the constant that follows, "" if another piece or nothing does
}

type partKind int

const (
	constantPart partKind = iota
	bodyPart
	timestampPart
	idPart
	methodPart
	urlPart
	decodedURLPart
	formPart
	crcPart
	jsonPart
	anyPart
)

// pieceKind is the kind of a piece that has no path.
func pieceKind(name string) (partKind, bool) {
	switch name {
	case "body":
		return bodyPart, true
	case "timestamp":
		return timestampPart, true
	case "id":
		return idPart, true
	case "method":
		return methodPart, true
	case "url":
		return urlPart, true
	case "decodedurl":
		return decodedURLPart, true
	case "form":
		return formPart, true
	case "crc32":
		return crcPart, true
	}
	return 0, false
}

// parseTemplate reads Scheme.Signed.
func parseTemplate(s string) ([]part, error) {
	var parts []part
	for s != "" {
		text, rest, open := strings.Cut(s, "{")
		if strings.Contains(text, "}") {
			return nil, errors.New("has a } without its {")
		}
		if text != "" {
			parts = append(parts, part{kind: constantPart, text: text})
		}
		if !open {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, errors.New("has a { without its }")
		}
		p, err := parsePiece(name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
		s = after
	}
	for i := range parts[:max(0, len(parts)-1)] {
		if parts[i+1].kind == constantPart {
			parts[i].next = parts[i+1].text
		}
	}
	return parts, nil
}

func parsePiece(name string) (part, error) {
	if path, ok := strings.CutPrefix(name, "json:"); ok && validPath(path) {
		return part{kind: jsonPart, path: strings.Split(path, ".")}, nil
	}
	if path, ok := strings.CutPrefix(name, "any:"); ok && validPath(path) {
		return part{kind: anyPart, path: strings.Split(path, ".")}, nil
	}
	kind, ok := pieceKind(name)
	if !ok {
		return part{}, fmt.Errorf("has the piece {%s}, which does not exist", name)
	}
	return part{kind: kind}, nil
}

func validPath(path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		if name == "" || strings.ContainsAny(name, " ") {
			return false
		}
	}
	return true
}

// validPaths is for Field.JSON, which may hold several.
func validPaths(paths string) bool {
	for path := range strings.SplitSeq(paths, " ") {
		if !validPath(path) {
			return false
		}
	}
	return true
}

// has reports whether a piece of one of the kinds is among the parts.
func has(parts []part, kinds ...partKind) bool {
	for _, p := range parts {
		if slices.Contains(kinds, p.kind) {
			return true
		}
	}
	return false
}

// touches reports whether the piece of the kind has another piece next to it,
// with no constant between, so that one could grow at the cost of the other.
func touches(parts []part, kind partKind) bool {
	for i, p := range parts {
		if p.kind != kind {
			continue
		}
		if i > 0 && parts[i-1].kind != constantPart || i+1 < len(parts) && parts[i+1].kind != constantPart {
			return true
		}
	}
	return false
}
