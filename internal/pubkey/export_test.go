package pubkey

import "encoding/hex"

// SmallOrder has the points of small order as they are written.
var SmallOrder = func() (points [][]byte) {
	for _, y := range smallOrder {
		point, err := hex.DecodeString(y)
		if err != nil {
			panic(err)
		}
		points = append(points, point)
	}
	return points
}()
