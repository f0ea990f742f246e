// Package agent puts one agent together: drivers, loops and the HTTP API. It is the only package that knows every driver.
package agent
