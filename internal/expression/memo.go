package expression

import "sync"

// maxRemembered is the number of expressions after which the older half of what is remembered is given up.
const maxRemembered = 512

// remembered holds what was compiled, errors too: a Sync is configured far more often than its rules change.
var remembered memo

// memo is a bounded memory of compiled expressions in two generations: what is asked for moves to the young one, and when that is
// full, the old one goes. Safe for concurrent use.
type memo struct {
	lock       sync.Mutex
	young, old map[text]compiled
}

type text struct{ about, source string }

type compiled struct {
	program *Program
	err     error
}

// compile gives what is remembered, or compiles. Two callers at once may both compile: the result is the same.
func (m *memo) compile(in subject, source string) (*Program, error) {
	if err := size(source); err != nil {
		return nil, invalid(err.Error(), in) // not worth remembering, and perhaps large
	}
	key := text{about: in.name, source: source}
	result, found := m.get(key)
	if !found {
		result.program, result.err = compile(in, source)
		m.put(key, result)
	}
	return result.program, result.err
}

func (m *memo) get(key text) (compiled, bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if result, found := m.young[key]; found {
		return result, true
	}
	result, found := m.old[key]
	if found {
		m.keep(key, result)
	}
	return result, found
}

func (m *memo) put(key text, result compiled) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.keep(key, result)
}

func (m *memo) keep(key text, result compiled) {
	if len(m.young) >= maxRemembered/2 {
		m.old, m.young = m.young, nil
	}
	if m.young == nil {
		m.young = make(map[text]compiled)
	}
	m.young[key] = result
}
