package proxy

import "sync"

// refusals tells somebody of backends that refuse, from a goroutine of its own: nothing waits for him, and while he is busy each backend
// is noted once.
type refusals struct {
	mu     sync.Mutex
	noted  map[string]bool
	wake   chan struct{}
	ending chan struct{}
	end    func()
	ended  chan struct{}
}

func startRefusals(told func(key string)) *refusals {
	r := &refusals{noted: map[string]bool{}, wake: make(chan struct{}, 1), ending: make(chan struct{}), ended: make(chan struct{})}
	r.end = sync.OnceFunc(func() { close(r.ending) })
	if told == nil {
		told = func(string) {}
	}
	go r.run(told)
	return r
}

func (r *refusals) run(told func(key string)) {
	defer close(r.ended)
	for {
		select {
		case <-r.wake:
		case <-r.ending:
			return
		}
		for key := range r.take() {
			told(key)
		}
	}
}

func (r *refusals) take() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	noted := r.noted
	r.noted = map[string]bool{}
	return noted
}

func (r *refusals) tell(key string) {
	r.mu.Lock()
	r.noted[key] = true
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (r *refusals) stop() {
	r.end()
	<-r.ended
}
