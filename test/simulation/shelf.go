package main

import (
	"context"

	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/loop"
	"github.com/setpoint-dev/setpoint/internal/state"
)

// shelf keeps desired states in memory, by Sync and digest. It survives crashes, as a database does, and may fail as one.
type shelf struct {
	sets  map[string]state.Set
	fails func() error // asked before every use
}

func newShelf() *shelf { return &shelf{sets: map[string]state.Set{}} }

var _ loop.Shelf = (*shelf)(nil)

// Put implements loop.Shelf.
func (s *shelf) Put(_ context.Context, sync string, digest state.Digest, set state.Set) error {
	if err := s.fails(); err != nil {
		return err
	}
	s.sets[sync+"/"+string(digest)] = set
	return nil
}

// Get implements loop.Shelf.
func (s *shelf) Get(_ context.Context, sync string, digest state.Digest) (state.Set, error) {
	if err := s.fails(); err != nil {
		return state.Set{}, err
	}
	set, ok := s.sets[sync+"/"+string(digest)]
	if !ok {
		return state.Set{}, fault.New(fault.NotFound, "read", "desired state "+digest.Short(), "it is not kept")
	}
	return set, nil
}

// Drop implements loop.Shelf.
func (s *shelf) Drop(_ context.Context, sync string, digest state.Digest) error {
	if err := s.fails(); err != nil {
		return err
	}
	delete(s.sets, sync+"/"+string(digest))
	return nil
}
