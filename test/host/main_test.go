package host_test

import (
	"os"
	"testing"

	"github.com/setpoint-dev/setpoint/test/host"
)

func TestMain(m *testing.M) { os.Exit(host.Main(m)) }
