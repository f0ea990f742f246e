package helm

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"
	text "text/template"
)

// printing are functions of text/template itself that write values out, here to be bounded like all others.
var printing = text.FuncMap{
	"print": fmt.Sprint, "printf": fmt.Sprintf, "println": fmt.Sprintln,
	"html": text.HTMLEscaper, "js": text.JSEscaper, "urlquery": text.URLQueryEscaper,
}

// shallow are functions that do not look at what the lists and mappings hold that they are given, but for their own places.
var shallow = setOf(
	"append", "all", "any", "coalesce", "compact", "concat", "default", "dict", "dig", "empty", "fail", "first", "get", "hasKey",
	"index", "initial", "keys", "kindIs", "kindOf", "last", "list", "mustAppend", "mustCompact", "mustFirst", "mustInitial",
	"mustLast", "mustPrepend", "mustPush", "mustRest", "mustReverse", "mustSlice", "omit", "pick", "pluck", "prepend", "push",
	"required", "rest", "reverse", "set", "slice", "ternary", "tuple", "typeIs", "typeIsLike", "typeOf", "unset", "values", "lookup",
)

// parsing are functions that make values of text, which take many times its length.
var parsing = setOf("fromJson", "fromJsonArray", "fromToml", "fromYaml", "fromYamlArray", "mustFromJson")

// costly are functions that take long whatever they are given, with the steps that they count as.
var costly = map[string]int64{
	"bcrypt": 10_000, "derivePassword": 25_000, "genPrivateKey": 50_000, "htpasswd": 10_000,
	"genCA": 20_000, "genCAWithKey": 5000, "genSelfSignedCert": 20_000, "genSelfSignedCertWithKey": 5000,
	"genSignedCert": 20_000, "genSignedCertWithKey": 5000, "buildCustomCert": 500, "semver": 50, "semverCompare": 50,
}

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// bound gives a function that does the same within the budget, with the same signature.
func (b *budget) bound(name string, function any) any {
	f := reflect.ValueOf(function)
	looks, grows, steps := b.deep, growth[name], 1+costly[name]
	if shallow[name] {
		looks = b.glance
	}
	call := f.Call
	if f.Type().IsVariadic() {
		call = f.CallSlice
	}
	return reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
		b.spend(steps)
		given := int64(0)
		for _, arg := range args {
			given += looks(arg)
		}
		if parsing[name] && given > b.parsed {
			panic(refusal{fmt.Sprintf("%s is given more than %d MiB of text", name, b.parsed>>20)})
		}
		if grows != nil {
			grows(b, args, given)
		}
		results := call(args)
		b.grow(looks(results[0]))
		return results
	}).Interface()
}

func (b *budget) deep(v reflect.Value) int64 { return b.weigh(v.Interface()) }

func (b *budget) glance(v reflect.Value) int64 {
	weight := glanceAt(v)
	b.fits(weight)
	return weight
}

// growth says beforehand how large a result may become, or how much work it is, where that is more than some times what is given.
var growth = map[string]func(b *budget, args []reflect.Value, given int64){
	"repeat":  func(b *budget, args []reflect.Value, _ int64) { b.fits(times(args[0].Int(), args[1].Len())) },
	"indent":  growIndent,
	"nindent": growIndent,
	"replace": func(b *budget, args []reflect.Value, _ int64) {
		b.fits(times(int64(strings.Count(args[2].String(), args[0].String())), args[1].Len()))
	},
	"join": func(b *budget, args []reflect.Value, given int64) {
		b.fits(times(glanceAt(args[1])/pointerWeight, args[0].Len()) + given)
	},
	"wrapWith": func(b *budget, args []reflect.Value, _ int64) { b.fits(times(int64(args[2].Len())+1, args[1].Len())) },
	"printf":   growPrintf,

	"until": func(b *budget, args []reflect.Value, _ int64) { b.fits(times(args[0].Int(), pointerWeight)) },
	"untilStep": func(b *budget, args []reflect.Value, _ int64) {
		growSteps(b, args[0].Int(), args[1].Int(), args[2].Int())
	},
	"seq": growSeq,

	"split":     func(b *budget, args []reflect.Value, _ int64) { growParts(b, args, 10*pointerWeight) },
	"splitList": func(b *budget, args []reflect.Value, _ int64) { growParts(b, args, pointerWeight) },

	"regexMatch": growRegex, "mustRegexMatch": growRegex, "regexFind": growRegex, "mustRegexFind": growRegex,
	"regexFindAll": growRegexList, "mustRegexFindAll": growRegexList, "regexSplit": growRegexList, "mustRegexSplit": growRegexList,
	"regexReplaceAll": growRegexReplace, "mustRegexReplaceAll": growRegexReplace,
	"regexReplaceAllLiteral": growRegexReplace, "mustRegexReplaceAllLiteral": growRegexReplace,

	"uniq": growPairs, "mustUniq": growPairs, "without": growPairs, "mustWithout": growPairs,

	"randAlphaNum": growRandom, "randAlpha": growRandom, "randNumeric": growRandom, "randAscii": growRandom, "randBytes": growRandom,
}

// times multiplies, and gives more than is ever allowed instead of overflowing.
func times(n int64, length int) int64 {
	if n <= 0 || length == 0 {
		return 0
	}
	if n > math.MaxInt64/2/int64(length) {
		return math.MaxInt64 / 2
	}
	return n * int64(length)
}

func growIndent(b *budget, args []reflect.Value, _ int64) {
	b.fits(times(args[0].Int(), 1+strings.Count(args[1].String(), "\n")) + int64(args[1].Len()))
}

func growSteps(b *budget, start, stop, step int64) {
	if step == 0 {
		return // gives nothing
	}
	if step > 0 && stop > math.MaxInt64-step || step < 0 && stop < math.MinInt64-step {
		b.fits(b.value + 1) // it would pass the end of all numbers, and start again
	}
	distance := math.Abs(float64(stop)-float64(start)) / math.Abs(float64(step))
	if distance > float64(b.value/pointerWeight) {
		b.fits(b.value + 1)
	}
}

func growSeq(b *budget, args []reflect.Value, _ int64) {
	numbers, _ := reflect.TypeAssert[[]int](args[0])
	switch len(numbers) {
	case 1:
		growRange(b, 1, int64(numbers[0]), 1)
	case 2:
		growRange(b, int64(numbers[0]), int64(numbers[1]), 1)
	case 3:
		growRange(b, int64(numbers[0]), int64(numbers[2]), int64(numbers[1]))
	}
}

// growRange is of a sequence that goes up or down, whatever its step says.
func growRange(b *budget, start, stop, step int64) {
	if stop > math.MaxInt64/2 || stop < math.MinInt64/2 {
		b.fits(b.value + 1)
	}
	if stop < start && step > 0 {
		step = -step
	}
	growSteps(b, start, stop, step)
}

func growParts(b *budget, args []reflect.Value, each int) {
	b.grow(times(int64(strings.Count(args[1].String(), args[0].String()))+1, each))
}

func growPairs(b *budget, args []reflect.Value, given int64) {
	most := int64(0)
	for _, arg := range args {
		most = max(most, glanceAt(arg)/pointerWeight)
	}
	b.works(times(most+1, int(given)))
}

func growRandom(b *budget, args []reflect.Value, _ int64) { b.fits(args[0].Int() * 256) }

// verb finds what a format asks for, with its widths.
var verb = regexp.MustCompile(`%[-+# 0]*(\[\d+\])?(\*|\d*)(\.(\[\d+\])?(\*|\d*))?`)

// maxWidth is that of package fmt.
const maxWidth = 1_000_000

func growPrintf(b *budget, args []reflect.Value, given int64) {
	total := given
	for _, match := range verb.FindAllStringSubmatch(args[0].String(), -1) {
		total += widthOf(match[2]) + widthOf(match[5])
		if match[1] != "" || match[4] != "" {
			total += given // an argument may be named again and again
		}
		b.fits(total)
	}
}

func widthOf(text string) int64 {
	switch {
	case text == "":
		return 0
	case text == "*" || len(text) > 6:
		return maxWidth
	}
	width := int64(0)
	for _, digit := range text {
		width = width*10 + int64(digit-'0')
	}
	return width
}

// maxPattern is the length of a regular expression.
const maxPattern = 4096

// growRegex refuses an expression that takes too long on a text: the product of their sizes is what it may take.
func growRegex(b *budget, args []reflect.Value, _ int64) {
	pattern := args[0].String()
	if len(pattern) > maxPattern {
		panic(refusal{fmt.Sprintf("a regular expression is longer than %d letters", maxPattern)})
	}
	if int64(args[1].Len()) > b.parsed {
		panic(refusal{fmt.Sprintf("a regular expression is tried on more than %d MiB of text", b.parsed>>20)})
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return // the function says so itself
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return
	}
	size := len(program.Inst)
	b.grow(64 * int64(size))
	b.works(times(int64(args[1].Len())+1, size))
}

func growRegexList(b *budget, args []reflect.Value, given int64) {
	growRegex(b, args, given)
	b.grow(times(int64(args[1].Len())+1, 2*pointerWeight))
}

func growRegexReplace(b *budget, args []reflect.Value, given int64) {
	growRegex(b, args, given)
	matches, err := regexp.Compile(args[0].String())
	if err != nil {
		return
	}
	source, by := args[1].String(), args[2].String()
	found := int64(len(matches.FindAllStringIndex(source, -1)))
	b.fits(times(found, len(by)) + times(int64(strings.Count(by, "$")), len(source)) + int64(len(source)))
}
