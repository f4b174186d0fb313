package main

import (
	"strings"
	"time"
)

// What somebody else does to disks, who plays the cloud that they are in: a disk is made, or a snapshot of one.
type order struct {
	make, from, remove string
	gib                int64
}

func (o order) run(store *store, zone string) error {
	if o.remove != "" {
		return store.remove(kindOf(o.remove), o.remove)
	}
	// One of the same handle that is gone has left nothing to the next.
	if err := store.remove(kindOf(o.make), o.make); err != nil {
		return err
	}
	thaw, from := func() {}, ""
	if o.from != "" {
		node, err := store.attachedTo(o.from)
		if err != nil {
			return err
		}
		if from, err = store.folder(kindOf(o.from), o.from); err != nil {
			return err
		}
		thaw = (&freezer{}).freeze(node)
	}
	defer thaw()
	known := facts{Name: o.make, Size: o.gib << 30, Zone: zone, Source: o.from, Made: time.Now()}
	if err := store.putFacts(kindOf(o.make), o.make, known); err != nil {
		return err
	}
	return store.make(kindOf(o.make), o.make, from)
}

// The Resource ID of a snapshot says that it is one.
func kindOf(handle string) string {
	if strings.Contains(strings.ToLower(handle), "/snapshots/") {
		return "snapshots"
	}
	return "volumes"
}
