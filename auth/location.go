package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// parameter is a parameter of a query, decoded.
type parameter struct{ name, value string }

// parameters returns those of query, and what is no parameter as a name.
func parameters(query string) []parameter {
	var all []parameter
	for pair := range strings.SplitSeq(query, "&") {
		all = append(all, parameterOf(pair))
	}
	return all
}

func parameterOf(pair string) parameter {
	name, value, _ := strings.Cut(pair, "=")
	return parameter{name: unescaped(name), value: unescaped(value)}
}

// unescaped returns s decoded if it can be, and as it is if not.
func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// cleanLocation removes from the Location of resp the parameters that sent, a
// query, has and before, the query without credentials, has not. Many servers
// send on with the query that they got, and http.Client would take a key along
// to wherever that is. Where the key belongs it is put on again.
func cleanLocation(resp *http.Response, before, sent string) {
	own := parameters(before)
	added := slices.DeleteFunc(parameters(sent), func(p parameter) bool { return slices.Contains(own, p) })
	locations := slices.Clone(resp.Header["Location"])
	for i, location := range locations {
		locations[i] = withoutParameters(location, added)
	}
	if slices.Equal(locations, resp.Header["Location"]) {
		return
	}
	// Whoever made the answer may have it in use elsewhere, as a cache does.
	resp.Header = resp.Header.Clone()
	resp.Header["Location"] = locations
}

// withoutParameters returns location without some parameters of its query, and
// the rest as it is written.
func withoutParameters(location string, unwanted []parameter) string {
	location, fragment, fragmented := strings.Cut(location, "#")
	path, query, _ := strings.Cut(location, "?")
	pairs := strings.Split(query, "&")
	kept := slices.DeleteFunc(slices.Clone(pairs), func(pair string) bool { return slices.Contains(unwanted, parameterOf(pair)) })
	if len(kept) < len(pairs) {
		location = path
		if len(kept) > 0 {
			location += "?" + strings.Join(kept, "&")
		}
	}
	if fragmented {
		location += "#" + fragment
	}
	return location
}
