package httpsig

// Canonical reads a dictionary and writes it in its canonical form.
func Canonical(s string) (string, bool) {
	d, err := parseDictionary(s)
	return d.String(), err == nil
}
