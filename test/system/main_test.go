package system_test

import (
	"os"
	"testing"

	"github.com/setpoint-dev/setpoint/test/cluster"
	"github.com/setpoint-dev/setpoint/test/system"
)

func TestMain(m *testing.M) {
	os.Exit(system.Main(m, cluster.Options{ControllerManager: true, Nodes: 2, Audit: true}))
}
