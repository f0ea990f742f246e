package helm

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
)

// randoms makes the random values of one render, and makes the ones again that it has made before: by the function, what it is given, and
// the how-manieth call of it with that in one template file. So a chart that makes passwords says the same each time, and another value
// elsewhere in it does not change them. It belongs to one goroutine.
type randoms struct {
	job    *job
	file   string // the template that is being executed
	inputs string // the digest of all that the render depends on; it tells one "now" from another
	now    time.Time

	asked  bool
	before map[string]string // what the memory holds; the values of other charts too
	made   map[string]string // by this render
	calls  map[string]int
}

// inputsOf digests what a chart is rendered with, but for the cluster.
func inputsOf(chart string, top common.Values) string {
	data, err := json.Marshal([]any{chart, top["Release"], top["Values"]})
	if err != nil {
		return ""
	}
	return digestOf(string(data))
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// pair is a certificate with its key, as it is kept.
type pair struct{ Cert, Key string }

// functions gives those that make random values, which remember them.
func (r *randoms) functions(ctx context.Context, all template.FuncMap) template.FuncMap {
	functions := template.FuncMap{}
	for _, name := range []string{
		"randAlphaNum", "randAlpha", "randNumeric", "randAscii", "randBytes", "uuidv4", "shuffle",
		"bcrypt", "htpasswd", "genPrivateKey", "encryptAES", "randInt",
	} {
		functions[name] = r.remembering(ctx, name, all[name], scalars)
	}
	certificates := codec{write: writePair, read: r.readPair(all["buildCustomCert"])}
	for _, name := range []string{
		"genCA", "genCAWithKey", "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
	} {
		functions[name] = r.remembering(ctx, name, all[name], certificates)
	}
	return functions
}

// codec writes a value as text, and reads it again; ok is false for one that is not to be used any more.
type codec struct {
	write func(reflect.Value) string
	read  func(text string, as reflect.Type) (value reflect.Value, ok bool)
}

// scalars are texts and whole numbers.
var scalars = codec{
	write: func(v reflect.Value) string { return fmt.Sprint(v.Interface()) },
	read: func(text string, as reflect.Type) (reflect.Value, bool) {
		if as.Kind() == reflect.Int {
			n, err := strconv.Atoi(text)
			return reflect.ValueOf(n), err == nil
		}
		return reflect.ValueOf(text), true
	},
}

// remembering gives a function that gives what it gave before.
func (r *randoms) remembering(ctx context.Context, name string, function any, kept codec) any {
	f := reflect.ValueOf(function)
	call := f.Call
	if f.Type().IsVariadic() {
		call = f.CallSlice
	}
	return reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
		key := r.key(name, args)
		if text, known := r.recall(ctx)[key]; known {
			if value, ok := kept.read(text, f.Type().Out(0)); ok {
				r.note(key, text, value)
				return results(f.Type(), value)
			}
		}
		out := call(args)
		if len(out) == 1 || out[1].IsNil() {
			r.note(key, kept.write(out[0]), out[0])
		}
		return out
	}).Interface()
}

func results(of reflect.Type, value reflect.Value) []reflect.Value {
	if of.NumOut() == 1 {
		return []reflect.Value{value}
	}
	return []reflect.Value{value, reflect.Zero(of.Out(1))}
}

// key names one call.
func (r *randoms) key(name string, args []reflect.Value) string {
	given := make([]any, len(args))
	for i, arg := range args {
		given[i] = arg.Interface()
	}
	data, err := json.Marshal(given)
	if err != nil {
		data = fmt.Append(nil, given...)
	}
	key := r.scope() + name + "/" + digestOf(r.file+"\x00"+string(data))
	if r.calls == nil {
		r.calls = map[string]int{}
	}
	r.calls[key]++
	return key + "/" + strconv.Itoa(r.calls[key])
}

// scope tells apart the charts that share a memory.
func (r *randoms) scope() string {
	return r.job.chart + "|" + r.job.namespace + "|" + r.job.name + "|"
}

// recall gives what the memory holds. It is asked once, and only for charts that make random values. An error ends the template, as other
// values would change what runs.
func (r *randoms) recall(ctx context.Context) map[string]string {
	memory := r.job.request.Outside.Memory
	if r.asked || memory == nil {
		return r.before
	}
	r.asked = true
	before, err := memory.Recall(ctx)
	if err != nil {
		panic(outside{err})
	}
	r.before = before
	return before
}

// telling is the length from which a random text is taken for a secret: shorter ones only make something change.
const telling = 8

func (r *randoms) note(key, text string, value reflect.Value) {
	if r.made == nil {
		r.made = map[string]string{}
	}
	r.made[key] = text
	if value.Kind() == reflect.String && value.Len() >= telling && !strings.HasPrefix(key, r.scope()+"uuidv4/") {
		r.job.secrets.find(value.String())
	}
	if value.Kind() == reflect.Struct {
		r.job.secrets.find(value.FieldByName("Key").String())
	}
}

// keep has the memory hold what was made, and nothing that was not asked for any more.
func (r *randoms) keep(ctx context.Context) error {
	memory := r.job.request.Outside.Memory
	if memory == nil {
		return nil
	}
	kept := maps.Clone(r.made)
	if !r.asked {
		// Whoever makes nothing may have made something before.
		before, err := memory.Recall(ctx)
		if err != nil {
			return passOn("recall", "random values", err)
		}
		r.before = before
	}
	if kept == nil {
		kept = map[string]string{}
	}
	if r.job.shared {
		for key, value := range r.before {
			if !strings.HasPrefix(key, r.scope()) {
				kept[key] = value
			}
		}
	}
	if maps.Equal(kept, r.before) {
		return nil
	}
	return passOn("keep", "random values", memory.Keep(ctx, kept))
}

func writePair(v reflect.Value) string {
	data, err := json.Marshal(pair{Cert: v.FieldByName("Cert").String(), Key: v.FieldByName("Key").String()})
	if err != nil {
		return "" // cannot be: two texts
	}
	return string(data)
}

// readPair makes a certificate of what was kept, in the library's own type. One that is about to end is made anew, and with it all that it
// has signed, as they are made with it.
func (r *randoms) readPair(build any) func(string, reflect.Type) (reflect.Value, bool) {
	return func(text string, _ reflect.Type) (reflect.Value, bool) {
		var kept pair
		if json.Unmarshal([]byte(text), &kept) != nil || !lasting([]byte(kept.Cert), r.job.options.Now()) {
			return reflect.Value{}, false
		}
		encode := func(s string) reflect.Value { return reflect.ValueOf(base64.StdEncoding.EncodeToString([]byte(s))) }
		out := reflect.ValueOf(build).Call([]reflect.Value{encode(kept.Cert), encode(kept.Key)})
		return out[0], out[1].IsNil()
	}
}
