// Unmodified Go clients against a Kafka: prints a line per check, then the counts.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	only := flag.String("only", "", "only checks whose description contains this")
	registry := flag.Bool("registry", false, "run the program that is given with a schema registry's address")
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: compat [-only TEXT] HOST:PORT,...") }
	flag.Parse()
	if *registry && flag.NArg() > 0 {
		os.Exit(withRegistry(flag.Args()))
	}
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	_, secondTry := os.LookupEnv("HEADWATER_COMPAT_SECOND_TRY")
	suite := &suite{brokers: strings.Split(flag.Arg(0), ","), secondTry: secondTry}
	for _, checks := range [][]check{franzChecks, saramaChecks, segmentioChecks} {
		for _, check := range checks {
			if strings.Contains(check.label, *only) {
				suite.run(check)
			}
		}
	}
	os.Exit(suite.finish())
}
