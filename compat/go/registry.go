package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// withRegistry runs a program that checks a schema registry's client, with the address of a registry as its last
// argument; the exit code is the program's. The registry is franz-go's, in memory, and wants user and password.
func withRegistry(program []string) int {
	registry := srfake.New(srfake.WithAuth("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))
	defer registry.Close()
	// What somebody else registered: one schema that uses another.
	registry.SeedSchema("item", 1, 100, sr.Schema{
		Schema: `{"type":"record","name":"Item","namespace":"shop","fields":[{"name":"name","type":"string"}]}`,
	})
	registry.SeedSchema("orders-value", 1, 101, sr.Schema{
		Schema: `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"item","type":"Item"},` +
			`{"name":"cents","type":"int"}]}`,
		References: []sr.SchemaReference{{Name: "shop.Item", Subject: "item", Version: 1}},
	})
	child := exec.Command(program[0], append(program[1:], registry.URL())...)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	var failed *exec.ExitError
	switch err := child.Run(); {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return failed.ExitCode()
	default:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
}
