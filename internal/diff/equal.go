package diff

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// equalScalars says whether two values that are neither maps nor lists mean the same.
func equalScalars(want, live any, quantity bool) bool {
	if want == nil || live == nil {
		return want == nil && live == nil
	}
	a, aNumber := number(want)
	b, bNumber := number(live)
	if aNumber && bNumber {
		return a.Cmp(b) == 0
	}
	if quantity {
		a, b, ok := bothQuantities(want, live)
		return ok && a.Cmp(b) == 0 || KeyText(want) == KeyText(live)
	}
	switch w := want.(type) {
	case string:
		l, ok := live.(string)
		return ok && w == l
	case bool:
		l, ok := live.(bool)
		return ok && w == l
	}
	return false
}

// number gives a JSON number, however it was decoded. Numbers that are not finite are no numbers.
func number(value any) (*big.Rat, bool) {
	switch v := value.(type) {
	case int64:
		return new(big.Rat).SetInt64(v), true
	case int:
		return new(big.Rat).SetInt64(int64(v)), true
	case int32:
		return new(big.Rat).SetInt64(int64(v)), true
	case float64:
		r := new(big.Rat).SetFloat64(v)
		return r, r != nil
	case json.Number:
		return parseQuantity(v.String())
	}
	return nil, false
}

func bothQuantities(want, live any) (a, b *big.Rat, ok bool) {
	a, aOK := parseQuantity(KeyText(want))
	b, bOK := parseQuantity(KeyText(live))
	return a, b, aOK && bOK
}

// quantitySuffixes are those of Kubernetes' resource.Quantity: powers of ten, and of two with "i".
var quantitySuffixes = map[string]*big.Rat{
	"n": big.NewRat(1, 1e9), "u": big.NewRat(1, 1e6), "m": big.NewRat(1, 1e3), "": big.NewRat(1, 1),
	"k": big.NewRat(1e3, 1), "M": big.NewRat(1e6, 1), "G": big.NewRat(1e9, 1),
	"T": big.NewRat(1e12, 1), "P": big.NewRat(1e15, 1), "E": big.NewRat(1e18, 1),
	"Ki": big.NewRat(1<<10, 1), "Mi": big.NewRat(1<<20, 1), "Gi": big.NewRat(1<<30, 1),
	"Ti": big.NewRat(1<<40, 1), "Pi": big.NewRat(1<<50, 1), "Ei": big.NewRat(1<<60, 1),
}

// The bounds keep a hostile "1e999999999" from filling the memory; real quantities are far below.
const (
	maxQuantityLength   = 64
	maxQuantityExponent = 100
)

// parseQuantity reads a number with an SI or binary suffix or a decimal exponent.
func parseQuantity(text string) (*big.Rat, bool) {
	if text == "" || len(text) > maxQuantityLength {
		return nil, false
	}
	end := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("+-.0123456789", r) })
	digits, suffix := text, ""
	if end >= 0 {
		digits, suffix = text[:end], text[end:]
	}
	value, ok := new(big.Rat).SetString(digits)
	if !ok {
		return nil, false
	}
	if factor, known := quantitySuffixes[suffix]; known {
		return value.Mul(value, factor), true
	}
	if suffix[0] != 'e' && suffix[0] != 'E' {
		return nil, false
	}
	exponent, err := strconv.Atoi(suffix[1:])
	if err != nil || exponent < -maxQuantityExponent || exponent > maxQuantityExponent {
		return nil, false
	}
	power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil))
	if exponent < 0 {
		power.Inv(power)
	}
	return value.Mul(value, power), true
}

// quantityPath says, where no schema does, whether a path leads to a resource quantity of a built-in kind.
func quantityPath(path Path) bool {
	if len(path) == 0 {
		return false
	}
	switch path[len(path)-1].Name {
	case "sizeLimit", "divisor", "averageValue":
		return true
	}
	if len(path) < 2 {
		return false
	}
	switch path[len(path)-2].Name {
	case "limits", "requests", "capacity", "hard", "overhead", "podFixed":
		return true
	}
	return false
}

// isEmpty says whether a value holds nothing: null, or a map or list whose parts are empty too.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, item := range v {
			if !isEmpty(item) {
				return false
			}
		}
		return true
	}
	return false
}

// isZero says whether a value is what Go programs leave out when they write JSON.
func isZero(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case float64:
		return v == 0
	}
	return isEmpty(value)
}

// equalBytes says whether two base64 texts hold the same bytes; line breaks in them mean nothing.
func equalBytes(want, live any) bool {
	w, wOK := want.(string)
	l, lOK := live.(string)
	if !wOK || !lOK {
		return false
	}
	a, errA := base64.StdEncoding.DecodeString(w)
	b, errB := base64.StdEncoding.DecodeString(l)
	return errA == nil && errB == nil && string(a) == string(b)
}
