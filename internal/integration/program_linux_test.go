package integration_test

import (
	"os/exec"
	"syscall"
)

// endWithTests has the system end cmd when the tests have ended, be it by a
// signal or by their time limit, after which nothing is cleaned up.
func endWithTests(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
}
