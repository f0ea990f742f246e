package history

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"time"
)

// generator makes IDs that sort by time: UUIDs of version 7 (RFC 9562), whose 12 bits after the millisecond count up, so that
// they are strictly increasing within a process, also within a millisecond and when the clock is set back. The other 62 bits are
// random. Safe for concurrent use; the zero value is ready.
type generator struct {
	mu   sync.Mutex
	last uint64 // the 60 bits of time and count of the newest ID
}

const (
	countBits = 12
	countMask = 1<<countBits - 1
)

// next gives an ID for a time that is greater than all before it.
func (g *generator) next(now time.Time) string {
	g.mu.Lock()
	g.last = max(uint64(max(now.UnixMilli(), 0))<<countBits, g.last+1) // a full count runs over into the next millisecond
	stamp := g.last
	g.mu.Unlock()

	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], stamp>>countBits<<16|7<<12|stamp&countMask) // time, version, count
	_, _ = rand.Read(id[8:])                                                       // never fails: see crypto/rand
	id[8] = id[8]&0x3f | 0x80                                                      // variant
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// after makes all further IDs greater than one of this generator's kind; any other text is ignored.
func (g *generator) after(id string) {
	if len(id) != 36 {
		return
	}
	head, err := hex.DecodeString(id[:8] + id[9:13] + id[14:18])
	if err != nil {
		return
	}
	bits := binary.BigEndian.Uint64(head)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last, bits>>16<<countBits|bits&countMask)
}
