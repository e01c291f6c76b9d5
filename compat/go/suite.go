package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// check is one thing that a client must be able to do: it holds unless it returns an error.
type check struct {
	label string
	run   func(*suite) error
}

// suite runs checks and counts what became of them.
type suite struct {
	brokers []string
	// secondTry: cargo xtask compat says so of a cluster, whose brokers hear of changes at different times.
	secondTry      bool
	passed, failed int
}

// name makes a topic, group or transactional id that nobody else uses.
func (s *suite) name(what string) string {
	random := make([]byte, 6)
	_, _ = rand.Read(random) // never fails, as its documentation says
	return "compat-" + hex.EncodeToString(random) + "-" + what
}

func (s *suite) run(c check) {
	started, which := time.Now(), ""
	err := guarded(c, s)
	if err != nil && s.secondTry {
		fmt.Printf("again %s\n%v\n", c.label, err)
		err, which = guarded(c, s), ", pass on the second try"
	}
	if err != nil {
		s.failed++
		fmt.Printf("FAIL  %s\n%v\n", c.label, err)
		return
	}
	s.passed++
	fmt.Printf("pass  %s (%.1f s%s)\n", c.label, time.Since(started).Seconds(), which)
}

// guarded turns a panic of a client into the failure of its check, so that the next one runs.
func guarded(c check, s *suite) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	return c.run(s)
}

// finish prints the counts; the exit code says whether all held.
func (s *suite) finish() int {
	fmt.Printf("%d passed, %d failed\n", s.passed, s.failed)
	if s.failed > 0 || s.passed == 0 {
		return 1
	}
	return 0
}

// limit bounds each wait of a check; it is reached only where something is wrong.
const limit = 60 * time.Second

func deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

// until waits for a condition.
func until(what string, holds func() (bool, error)) error {
	end := time.Now().Add(limit)
	for {
		held, err := holds()
		if held {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("not within %v: %s", limit, what), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// expect says what was found where another thing was expected.
func expect(what string, found, expected any) error {
	if f, e := fmt.Sprint(found), fmt.Sprint(expected); f != e {
		return fmt.Errorf("%s: found %s, expected %s", what, f, e)
	}
	return nil
}
