package v1alpha1

import "time"

// TreeNode is a Sync with its objects and the Syncs below it.
type TreeNode struct {
	SyncDetail `json:",inline"`
	Children   []TreeNode `json:"children,omitempty"`
}

// History is a page of attempts, the newest first.
type History struct {
	Attempts []Attempt `json:"attempts"`
	// Next is what to pass as "before" for the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

// Accepted answers a request that is carried out after the answer.
type Accepted struct {
	Syncs []string `json:"syncs"` // those that were woken
	// Time on the agent's clock; a Sync whose Looked is later has dealt with the request.
	Time time.Time `json:"time"`
}

// DiffRequest asks what a revision would change.
type DiffRequest struct {
	// Revision: a commit that the source knows; "" for the newest.
	Revision string `json:"revision,omitempty"`
}

// Diff is what would change.
type Diff struct {
	Changes []Change `json:"changes"`
	// Plan that guards hold back, when the changes are those of it.
	Plan *HeldPlan `json:"plan,omitempty"`
}

// AgentInfo says which agent answers.
type AgentInfo struct {
	// HostRoot and Data are the directory that stands for / on its host, and its data directory: what else wants to look at the same host
	// needs both.
	HostRoot string    `json:"hostRoot,omitempty"`
	Data     string    `json:"data,omitempty"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	Time     time.Time `json:"time"`              // on the agent's clock
	Ready    bool      `json:"ready"`             // it has read its root and compared it once
	Waiting  string    `json:"waiting,omitempty"` // what for, when not ready
}

// ErrorAnswer is the body of every answer that is not a success.
type ErrorAnswer struct {
	Error Problem `json:"error"`
}

// SyncList is every Sync of an agent, in the order of their names.
type SyncList struct {
	Syncs []SyncStatus `json:"syncs"`
}

// Tree is the Syncs that have no parent, with everything below them; or one Sync, when one was asked for.
type Tree struct {
	Roots []TreeNode `json:"roots"`
}
