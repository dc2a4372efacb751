package retry_test

import "reflect"

// fill sets the fields of the struct that target points to from those of src
// with the same names, if their types can be converted, as net/http does.
func fill(target, src any) bool {
	dst, from := reflect.ValueOf(target).Elem(), reflect.ValueOf(src)
	if dst.Kind() != reflect.Struct || dst.NumField() != from.NumField() {
		return false
	}
	for i := range from.NumField() {
		if dst.Type().Field(i).Name != from.Type().Field(i).Name || !from.Field(i).CanConvert(dst.Field(i).Type()) {
			return false
		}
	}
	for i := range from.NumField() {
		dst.Field(i).Set(from.Field(i).Convert(dst.Field(i).Type()))
	}
	return true
}
