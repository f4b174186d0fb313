package main

import (
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Holds all Pods of a node still while a volume on it is copied: a disk's snapshot is of one instant, and a copy of files
// that a database writes to meanwhile is not.
type freezer struct{ cgroup string }

func newFreezer(cgroup string) *freezer { return &freezer{cgroup} }

// Stops the Pods of a node, whose id is the path of its cgroup; the answer lets them go on.
func (f *freezer) freeze(node string) (thaw func()) {
	if node == "" {
		return func() {}
	}
	began := time.Now()
	told := func() { log.Printf("the Pods of %s stood still for %v", node, time.Since(began)) }
	folder := filepath.Join("/sys/fs/cgroup/freezer", node)
	if _, err := os.Stat(folder); err == nil {
		state := filepath.Join(folder, "freezer.state")
		write(state, "FROZEN")
		await(state, "FROZEN")
		return func() { write(state, "THAWED"); told() }
	}
	folder = filepath.Join("/sys/fs/cgroup", node)
	write(filepath.Join(folder, "cgroup.freeze"), "1")
	await(filepath.Join(folder, "cgroup.events"), "frozen 1")
	return func() { write(filepath.Join(folder, "cgroup.freeze"), "0"); told() }
}

func (f *freezer) thawAll() {
	if f.cgroup == "" {
		return
	}
	first, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup/freezer", f.cgroup, "*", "freezer.state"))
	for _, file := range first {
		write(file, "THAWED")
	}
	second, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", f.cgroup, "*", "cgroup.freeze"))
	for _, file := range second {
		write(file, "0")
	}
}

func write(file, text string) {
	if err := os.WriteFile(file, []byte(text), 0); err != nil {
		log.Print(err)
	}
}

// Waits a little; a process that cannot be stopped is told in the log, and its writes may tear the copy.
func await(file, text string) {
	for range 200 {
		if state, err := os.ReadFile(file); err == nil && strings.Contains(string(state), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	log.Printf("%s does not say %q", file, text)
}
