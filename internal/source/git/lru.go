package git

import (
	"container/list"
	"sync"
)

// lru keeps the values used last, up to a sum of their costs. Safe for concurrent use.
type lru[K comparable, V any] struct {
	mu    sync.Mutex
	max   int64
	sum   int64
	order *list.List // of *lruItem, the one used last in front
	items map[K]*list.Element
}

type lruItem[K comparable, V any] struct {
	key   K
	value V
	cost  int64
}

func newLRU[K comparable, V any](maxCost int64) *lru[K, V] {
	return &lru[K, V]{max: maxCost, order: list.New(), items: map[K]*list.Element{}}
}

func (c *lru[K, V]) get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*lruItem[K, V]).value, true //nolint:forcetypeassert // the list holds nothing else
}

// clear forgets everything.
func (c *lru[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order.Init()
	clear(c.items)
	c.sum = 0
}

// put keeps a value unless it alone costs more than a quarter of the room.
func (c *lru[K, V]) put(key K, value V, cost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; ok || cost > c.max/4 {
		return
	}
	c.items[key] = c.order.PushFront(&lruItem[K, V]{key, value, cost})
	c.sum += cost
	for c.sum > c.max {
		last := c.order.Back()
		item := c.order.Remove(last).(*lruItem[K, V]) //nolint:forcetypeassert // the list holds nothing else
		delete(c.items, item.key)
		c.sum -= item.cost
	}
}
