package v1alpha1_test

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
)

var update = flag.Bool("update", false, "write descriptions.json anew")

// TestDescriptions holds the schema's descriptions against the doc comments that they are made of.
func TestDescriptions(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "kinds.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	made, err := json.MarshalIndent(descriptions(file), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	if *update {
		if err := os.WriteFile("descriptions.json", made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile("descriptions.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), string(made)); diff != "" {
		t.Errorf("run go test -run TestDescriptions -update (-kept +made):\n%s", diff)
	}
}

// descriptions gives the doc comments of a file's types and fields.
func descriptions(file *ast.File) map[string]string {
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok || decl.Tok != token.TYPE {
			return true
		}
		for _, one := range decl.Specs {
			named := one.(*ast.TypeSpec)
			found[named.Name.Name] = sentence(decl.Doc, nil)
			fields, ok := named.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					if text := sentence(field.Doc, field.Comment); text != "" {
						found[named.Name.Name+"."+name.Name] = text
					}
				}
			}
		}
		return false
	})
	return found
}

func sentence(doc, line *ast.CommentGroup) string {
	text := doc.Text()
	if text == "" {
		text = line.Text()
	}
	return strings.Join(strings.Fields(text), " ")
}

// validator checks documents against the definition of one kind, as an editor would.
func validator(t *testing.T, kind string) *validate.SchemaValidator {
	t.Helper()
	var whole struct {
		Definitions map[string]*spec.Schema `json:"definitions"`
	}
	if err := json.Unmarshal(v1alpha1.Schema(), &whole); err != nil {
		t.Fatal(err)
	}
	return validate.NewSchemaValidator(whole.Definitions[kind], nil, "", strfmt.Default)
}

// TestSchemaAgreesWithDecoding holds both against the same documents.
func TestSchemaAgreesWithDecoding(t *testing.T) {
	kinds := map[string]*validate.SchemaValidator{
		v1alpha1.KindSync: validator(t, v1alpha1.KindSync), v1alpha1.KindSource: validator(t, v1alpha1.KindSource),
	}
	for _, test := range samples {
		object := test.object(t)
		result := kinds[object.Kind()].Validate(object.Content())
		good := test.want == "" || test.decodeOnly
		if result.IsValid() != good {
			t.Errorf("%s: the schema says %t: %v", test.name, result.IsValid(), result.Errors)
		}
	}
}

func TestSchemaHasTheDefaults(t *testing.T) {
	sync, err := parseSync(syncHead+"spec: {source: {git: {url: https://example.com/x}}}\n", "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	filled, err := json.Marshal(sync)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	var schema struct {
		Definitions map[string]any `json:"definitions"`
	}
	if json.Unmarshal(filled, &got) != nil || json.Unmarshal(v1alpha1.Schema(), &schema) != nil {
		t.Fatal("no JSON")
	}
	var compare func(path string, schema, value any)
	compare = func(path string, schema, value any) {
		s, _ := schema.(map[string]any)
		want, has := s["default"]
		if text, ok := value.(string); ok && strings.HasSuffix(text, "m0s") {
			value = strings.TrimSuffix(text, "0s")
		}
		if has && value != nil && want != value {
			t.Errorf("%s: the schema says %v, decoding gives %v", path, want, value)
		}
		fields, _ := value.(map[string]any)
		properties, _ := s["properties"].(map[string]any)
		for name, property := range properties {
			compare(path+"."+name, property, fields[name])
		}
	}
	compare("", schema.Definitions["Sync"], got)
}
