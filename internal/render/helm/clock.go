package helm

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"reflect"
	"text/template"
	"time"
)

// clock gives the functions that tell the time. It stands still for as long as a chart, its values and its release stay the same: "now" is
// when they were first rendered so, as it is with Helm when they were installed or upgraded. Without a memory it is now.
func (r *randoms) clock(ctx context.Context, all template.FuncMap) template.FuncMap {
	now := func() time.Time { return r.time(ctx) }
	return template.FuncMap{
		"now":            now,
		"date":           dated(now, all["date"], 1),
		"date_in_zone":   dated(now, all["dateInZone"], 1),
		"dateInZone":     dated(now, all["dateInZone"], 1),
		"htmlDate":       dated(now, all["htmlDate"], 0),
		"htmlDateInZone": dated(now, all["htmlDateInZone"], 0),
		"ago":            since(now, all["ago"]),
		"durationRound":  since(now, all["durationRound"]),
	}
}

// time gives the time of this render, the same at each call.
func (r *randoms) time(ctx context.Context) time.Time {
	if !r.now.IsZero() {
		return r.now
	}
	key := r.scope() + "now/" + r.inputs
	r.now = r.job.options.Now().Round(0)
	if text, known := r.recall(ctx)[key]; known {
		if before, err := time.Parse(time.RFC3339Nano, text); err == nil {
			r.now = before.In(time.Local)
		}
	}
	if r.made == nil {
		r.made = map[string]string{}
	}
	r.made[key] = r.now.Format(time.RFC3339Nano)
	return r.now
}

// dated gives a function that takes its time for the one of an argument that is no time.
func dated(clock func() time.Time, function any, argument int) any {
	f := reflect.ValueOf(function)
	return reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
		switch args[argument].Interface().(type) {
		case time.Time, *time.Time, int, int32, int64:
		default:
			now := reflect.New(f.Type().In(argument)).Elem()
			now.Set(reflect.ValueOf(clock()))
			args[argument] = now
		}
		return f.Call(args)
	}).Interface()
}

// since gives a function that measures from its time to that of the render: it looks at the clock itself, so its time is moved.
func since(clock func() time.Time, function any) any {
	f := reflect.ValueOf(function)
	return reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
		if then, ok := reflect.TypeAssert[time.Time](args[0]); ok {
			moved := reflect.New(f.Type().In(0)).Elem()
			moved.Set(reflect.ValueOf(then.Add(time.Since(clock())).Round(0)))
			args[0] = moved
		}
		return f.Call(args)
	}).Interface()
}

// lasting says whether a certificate has more than a tenth of its life before it.
func lasting(text []byte, now time.Time) bool {
	block, _ := pem.Decode(text)
	if block == nil {
		return false
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false
	}
	life := certificate.NotAfter.Sub(certificate.NotBefore)
	return now.Before(certificate.NotAfter.Add(-life / 10))
}
