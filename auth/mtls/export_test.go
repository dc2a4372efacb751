package mtls

// CountCertificates returns how many certificates a PEM text has.
func CountCertificates(data []byte) (int, error) {
	list, err := parseCertificates(data)
	return len(list), err
}
