package providers

import (
	"fmt"
	"net"
	"net/http"
)

// drop resets the connection in place of an answer.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the connection is gone already
	}
	reset(conn)
}

// cut promises a whole body, sends the first half of it and resets the connection.
func cut(w http.ResponseWriter, a answer) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer reset(conn)
	fmt.Fprintf(buf, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		a.status, http.StatusText(a.status), len(a.body))
	_, _ = buf.Write(a.body[:len(a.body)/2])
	_ = buf.Flush()
}

// reset closes a connection with a RST in place of an orderly FIN.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
