package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

// recordVersion is that of the format of a record; one of another version cannot be read.
const recordVersion = 1

// maxRecord is the size of a record in bytes that is never exceeded: maxSteps steps of at most 36 bytes, and 30 days with 22 causes
// of at most 2*64 bytes each. A Sync in trouble has some kilobytes.
const maxRecord = 192 << 10

// record is a track as it is stored, as JSON that a person can still read.
type record struct {
	Version int                `json:"version"`
	Now     v1alpha1.Deviation `json:"now"`
	UpTo    int64              `json:"upTo"` // milliseconds since 1970
	// Steps has four numbers for each step: twice the milliseconds since the step before, plus one if it is merged; objects; fields;
	// unhealthy.
	Steps []int64     `json:"steps"`
	Days  []dayRecord `json:"days"`
}

type dayRecord struct {
	Number    int            `json:"day"` // since 1970
	Deviating int64          `json:"deviating,omitempty"`
	Repairs   int            `json:"repairs,omitempty"`
	Causes    map[string]int `json:"causes,omitempty"`
	Settled   int            `json:"settled,omitempty"`
	Settling  int64          `json:"settling,omitempty"` // the sum; all times are in nanoseconds
	Longest   int64          `json:"longest,omitempty"`
}

// encode gives a track as a record.
func (t *track) encode() ([]byte, error) {
	t.compact()
	r := record{Version: recordVersion, Now: t.deviation(), UpTo: milli(t.upTo), Steps: make([]int64, 0, 4*len(t.steps.list))}
	before := int64(0)
	for _, s := range t.steps.list {
		head := 2 * (s.at - before)
		if s.merged {
			head++
		}
		r.Steps = append(r.Steps, head, int64(s.objects), int64(s.fields), int64(s.unhealthy))
		before = s.at
	}
	for _, d := range t.days {
		r.Days = append(r.Days, dayRecord{d.number, int64(d.deviating), d.repairs, d.causes, d.settled,
			int64(d.settling), int64(d.longest)})
	}
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false) // it makes names longer, and nobody shows a record on a page
	if err := encoder.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(data.Bytes()), nil
}

// decode reads a record. Nothing in it is trusted: what does not hold together is an error, so that it can harm nothing later.
func decode(data []byte) (*track, error) {
	if len(data) > maxRecord {
		return nil, errors.New("it is larger than a record can be")
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	if r.Version != recordVersion {
		return nil, errors.New("its version is not known")
	}
	if r.UpTo < minMilli || r.UpTo > maxMilli {
		return nil, errors.New("its time is impossible")
	}
	t := &track{last: extentOf(r.Now), since: r.Now.Since, upTo: time.UnixMilli(r.UpTo).UTC()}
	var ok bool
	if t.steps.list, ok = decodeSteps(r.Steps); !ok {
		return nil, errors.New("its steps do not hold together")
	}
	if t.days, ok = decodeDays(r.Days); !ok {
		return nil, errors.New("its days do not hold together")
	}
	// What came after the record was written is not known, and not counted; so nothing is in force until the first sample.
	t.steps.add(r.UpTo, extent{})
	t.steps.recent = len(t.steps.list) // at most: the next compaction looks closer
	return t, nil
}

func decodeSteps(flat []int64) ([]step, bool) {
	if len(flat)%4 != 0 || len(flat) > 4*maxSteps {
		return nil, false
	}
	list := make([]step, 0, len(flat)/4+1)
	at := int64(0)
	for i := 0; i < len(flat); i += 4 {
		delta := floor(flat[i], 2) / 2
		// The first is counted from 1970, in either direction; the sum of two numbers in the range cannot overflow.
		if delta < minMilli || delta > maxMilli || i > 0 && delta < 0 {
			return nil, false
		}
		if at += delta; at > maxMilli {
			return nil, false
		}
		for _, n := range flat[i+1 : i+4] {
			if n < 0 || n > maxCount {
				return nil, false
			}
		}
		list = append(list, step{at, extent{int32(flat[i+1]), int32(flat[i+2]), int32(flat[i+3])}, flat[i]%2 != 0})
	}
	return list, true
}

func decodeDays(records []dayRecord) (days, bool) {
	if len(records) > maxDays {
		return nil, false
	}
	var list days
	before := int(floor(minMilli, day)/day) - 1
	for _, r := range records {
		sound := r.Number > before && r.Number <= int(maxMilli/day) && min(r.Deviating, r.Settling, r.Longest) >= 0 &&
			tally(r.Repairs) && tally(r.Settled) && named(r.Causes) <= maxCauses
		before = r.Number
		for name, n := range r.Causes {
			sound = sound && tally(n) && len(name) <= maxCause
		}
		if !sound {
			return nil, false
		}
		list = append(list, dayTotal{r.Number, time.Duration(r.Deviating), r.Repairs, r.Settled,
			time.Duration(r.Settling), time.Duration(r.Longest), r.Causes})
	}
	return list, true
}

func tally(n int) bool { return n >= 0 && n <= maxTally }
