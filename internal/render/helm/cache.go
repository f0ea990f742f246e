package helm

import (
	"container/list"
	"sync"
)

// defaultCacheBytes bounds the charts that are kept loaded, by the lengths of their files.
const defaultCacheBytes = 128 << 20

// cache keeps charts loaded by the hash of what they were loaded from. Of what does not fit, those that were not used for the longest time
// are forgotten. Safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	left  int64
	items map[string]*list.Element
	order *list.List // of *item, the last used first
}

type item struct {
	key   string
	ready chan struct{} // closed when it is loaded
	chart *loaded       // nil when that failed
	bytes int64
}

func newCache(bytes int64) *cache {
	return &cache{left: bytes, items: map[string]*list.Element{}, order: list.New()}
}

// get gives a chart, and loads one that is not there once, however many ask for it at the same time.
func (c *cache) get(key string, load func() (*loaded, error)) (*loaded, error) {
	for {
		one, first := c.find(key)
		if first {
			return c.fill(one, load)
		}
		<-one.ready // whoever loads it ends by its own bounds
		if one.chart != nil {
			return one.chart, nil
		}
	}
}

// find gives the item of a key; first is true for the one who has to fill it.
func (c *cache) find(key string) (one *item, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.items[key]; ok {
		c.order.MoveToFront(element)
		return element.Value.(*item), false
	}
	one = &item{key: key, ready: make(chan struct{})}
	c.items[key] = c.order.PushFront(one)
	return one, true
}

// fill loads an item. What cannot be loaded is not kept, and those who wait for it try themselves.
func (c *cache) fill(one *item, load func() (*loaded, error)) (*loaded, error) {
	made, err := load()
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(one.ready)
	element, kept := c.items[one.key]
	kept = kept && element.Value == any(one) // it may have been forgotten meanwhile
	switch {
	case err != nil || made.own:
		if kept {
			c.drop(element)
		}
		return made, err
	case !kept:
		one.chart = made
		return made, nil
	}
	one.chart, one.bytes = made, made.bytes
	c.left -= one.bytes
	for c.left < 0 && c.order.Len() > 0 {
		c.drop(c.order.Back())
	}
	return made, nil
}

// drop forgets an item; one that is still being loaded takes no bytes yet, and is given to those who wait for it all the same.
func (c *cache) drop(element *list.Element) {
	one := element.Value.(*item)
	c.order.Remove(element)
	delete(c.items, one.key)
	c.left += one.bytes
}
