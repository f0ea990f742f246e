package v1alpha1

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// The patterns of quantities, which the JSON Schema shows too.
const (
	patternBytes = `^[0-9]{1,18}(\.[0-9]{1,9})?(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?$`
	patternCPU   = `^([0-9]{1,9}(\.[0-9]{1,3})?|[0-9]{1,9}m)$`
)

var (
	formBytes = regexp.MustCompile(patternBytes)
	formCPU   = regexp.MustCompile(patternCPU)
)

// suffixes are the powers of a thousand and of 1,024, as Kubernetes writes them.
var suffixes = map[string]int64{
	"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60,
}

// ParseBytes reads a number of bytes as Kubernetes has them: "256Mi", "10M", "1.5Gi", "4096". A part of a byte counts as a whole one.
func ParseBytes(text string) (int64, error) {
	if !formBytes.MatchString(text) {
		return 0, fmt.Errorf("%q is not a number of bytes: want for example \"256Mi\" or \"1Gi\"", text)
	}
	number := strings.TrimRight(text, "kKMGTPEi")
	value, _ := new(big.Rat).SetString(number) // the form has made sure that it is one
	value.Mul(value, new(big.Rat).SetInt64(suffixes[text[len(number):]]))
	bytes := new(big.Int).Add(value.Num(), new(big.Int).Sub(value.Denom(), big.NewInt(1)))
	if bytes.Div(bytes, value.Denom()); !bytes.IsInt64() {
		return 0, fmt.Errorf("%q is more than any machine has", text)
	}
	return bytes.Int64(), nil
}

// ParseCPU reads a number of processors, and gives it in thousandths of one: "0.5" and "500m" are 500, "2" is 2000.
func ParseCPU(text string) (milli int64, err error) {
	if !formCPU.MatchString(text) {
		return 0, fmt.Errorf("%q is not a number of processors: want for example \"0.5\" or \"2\"", text)
	}
	scale := int64(1000)
	number, thousandths := strings.CutSuffix(text, "m")
	if thousandths {
		scale = 1
	}
	value, _ := new(big.Rat).SetString(number)
	value.Mul(value, new(big.Rat).SetInt64(scale)) // whole: the form allows three digits behind the point
	return value.Num().Int64(), nil
}
