package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// samples is how many objects are disturbed.
const samples = 200

// drift changes one field of one object at a time as somebody else, and measures from the answer to that until the API server
// has the declared value again, as a watch on it tells.
func (o *one) drift(ctx context.Context) error {
	events, err := o.watch(ctx)
	if err != nil {
		return err
	}
	defer events.close()
	random := rand.New(rand.NewPCG(1, 2)) // always the same objects
	began := time.Now()
	var times []time.Duration
	cpu := o.agent.cpu()
	if o.opts.profiles != "" {
		go o.profile(ctx, "drift-cpu", "profile?seconds=10") // ends by itself
	}
	for range samples {
		victim := o.list[random.IntN(len(o.list))]
		path := collection(victim.kind, o.namespace) + victim.name
		if err := o.disturb(ctx, path); err != nil {
			return err
		}
		disturbed := time.Now()
		at, err := events.wait(ctx, victim.name, valueOf(victim))
		if err != nil {
			return err
		}
		times = append(times, max(0, at.Sub(disturbed)))
		if err := pause(ctx, time.Duration(20+random.IntN(60))*time.Millisecond); err != nil {
			return err
		}
	}
	cpu = o.agent.cpu() - cpu
	asked, err := o.requests(ctx, began)
	if err != nil {
		return err
	}
	fmt.Printf("   %d drifts: %s of CPU and %.1f API requests each\n", samples, round(cpu/samples), float64(len(asked))/samples)
	what := fmt.Sprintf("drift of one field among %d objects, %d times: ", many, samples)
	o.table.spent(what+"p50", 250*time.Millisecond, quantile(times, 0.5))
	o.table.spent(what+"p99", 250*time.Millisecond, quantile(times, 0.99))
	return nil
}

func valueOf(victim object) string {
	var content struct{ Data map[string]string }
	if err := json.Unmarshal([]byte(victim.json), &content); err != nil {
		panic(err) // made by declare
	}
	return content.Data["key"]
}

// disturb writes another value with a merge patch, as kubectl edit does.
func (o *one) disturb(ctx context.Context, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, o.plant.URL()+path+"?fieldManager=somebody",
		strings.NewReader(`{"data":{"key":"disturbed"}}`))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/merge-patch+json")
	response, err := o.admin.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("disturb %s: %s", path, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// watching is a watch on the ConfigMaps of a namespace.
type watching struct {
	body io.ReadCloser
	seen chan seen
}

// seen is a value that an object has, and when the watch told it.
type seen struct {
	name, value string
	at          time.Time
}

func (o *one) watch(ctx context.Context) (*watching, error) {
	path := fmt.Sprintf("/api/v1/namespaces/%s/configmaps", o.namespace)
	data, err := o.plant.Do(ctx, http.MethodGet, path+"?limit=1", nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	address := o.plant.URL() + path + "?watch=1&resourceVersion=" + list.Metadata.ResourceVersion
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := o.admin.Do(request) // closed by close
	if err != nil {
		return nil, err
	}
	w := &watching{body: response.Body, seen: make(chan seen, 1000)}
	go w.read()
	return w, nil
}

// read ends when the body is closed.
func (w *watching) read() {
	defer close(w.seen)
	for decoder := json.NewDecoder(w.body); ; {
		var event struct {
			Object struct {
				Metadata struct{ Name string }
				Data     map[string]string
			}
		}
		if err := decoder.Decode(&event); err != nil {
			return
		}
		w.seen <- seen{event.Object.Metadata.Name, event.Object.Data["key"], time.Now()}
	}
}

// wait gives the instant at which an object was seen to have a value, after it was seen to have another.
func (w *watching) wait(ctx context.Context, name, value string) (time.Time, error) {
	deadline := time.After(time.Minute)
	for {
		select {
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		case <-deadline:
			return time.Time{}, fmt.Errorf("%s does not become %q", name, value)
		case now, open := <-w.seen:
			if !open {
				return time.Time{}, fmt.Errorf("the watch ended before %s became %q", name, value)
			}
			if now.name == name && now.value == value {
				return now.at, nil
			}
		}
	}
}

func (w *watching) close() { _ = w.body.Close() }
