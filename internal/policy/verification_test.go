package policy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/setpoint-dev/setpoint/api/v1alpha1"
	"github.com/setpoint-dev/setpoint/internal/fault"
	"github.com/setpoint-dev/setpoint/internal/policy"
)

var (
	keysA   = &v1alpha1.PublicKeys{Text: "a"}
	keysB   = &v1alpha1.PublicKeys{Text: "b"}
	sources = map[string]v1alpha1.SourceSpec{
		"git":      {Git: &v1alpha1.GitSource{URL: "https://git.example.com/a"}},
		"oci":      {OCI: &v1alpha1.OCISource{URL: "oci://registry.example.com/a"}},
		"helm":     {Helm: &v1alpha1.HelmSource{URL: "https://charts.example.com", Chart: "a"}},
		"helm oci": {Helm: &v1alpha1.HelmSource{URL: "oci://registry.example.com/charts", Chart: "a"}},
		"bucket":   {Bucket: &v1alpha1.BucketSource{}},
		"archive":  {Archive: &v1alpha1.ArchiveSource{}},
	}
	demands = []*v1alpha1.Verification{
		nil,
		{Git: &v1alpha1.GitVerification{AllowedSigners: keysA}},
		{Git: &v1alpha1.GitVerification{AllowedSigners: keysB}, OCI: &v1alpha1.OCIVerification{Keys: keysB}},
		{OCI: &v1alpha1.OCIVerification{Keys: keysA}},
		{Helm: &v1alpha1.HelmVerification{PGPKeys: keysA}},
		{
			Git: &v1alpha1.GitVerification{PGPKeys: keysA}, OCI: &v1alpha1.OCIVerification{Keys: keysA},
			Helm: &v1alpha1.HelmVerification{PGPKeys: keysA},
		},
	}
)

func TestKindsThatAreNotNamedAreRefused(t *testing.T) {
	var none *policy.Terms
	for _, test := range []struct {
		demanded int
		passes   []string
	}{
		{0, []string{"archive", "bucket", "git", "helm", "helm oci", "oci"}},
		{1, []string{"git"}}, {2, []string{"git", "helm oci", "oci"}}, {3, []string{"helm oci", "oci"}}, {4, []string{"helm", "helm oci"}},
		{5, []string{"git", "helm", "helm oci", "oci"}},
	} {
		terms := none.Add("Sync root", v1alpha1.Constraints{Verify: demands[test.demanded]})
		var passes []string
		for name, source := range sources {
			err := terms.RefusesKind(source)
			if err == nil {
				passes = append(passes, name)
			} else if fault.KindOf(err) != fault.Denied || !strings.Contains(err.Error(), "Sync root") || fault.HintOf(err) == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
		slices.Sort(passes)
		if !slices.Equal(passes, test.passes) {
			t.Errorf("%d: %v may be used, want %v", test.demanded, passes, test.passes)
		}
	}
	if none.RefusesKind(sources["bucket"]) != nil || none.Verifications() != nil {
		t.Error("no terms demand something")
	}
}

func TestADemandForNothingHoldsEverything(t *testing.T) {
	var none *policy.Terms
	if terms := none.Add("Policy careful", v1alpha1.Constraints{Verify: &v1alpha1.Verification{}}); terms.Broken == nil {
		t.Error("it is not broken")
	}
}

// TestSignaturesAreOnlyAdded: whatever children and policies say, everything that was demanded above is demanded below, in the same order,
// and no kind of source passes below that does not pass above.
func TestSignaturesAreOnlyAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var terms *policy.Terms
		for _, place := range rapid.SliceOfN(rapid.SampledFrom([]string{"Sync a", "Sync b", "Policy c"}), 1, 6).Draw(t, "places") {
			above := terms
			before := above.Verifications()
			terms = above.Add(place, v1alpha1.Constraints{
				Verify: rapid.SampledFrom(demands).Draw(t, "demand"), Approval: rapid.SampledFrom([]string{"", "always"}).Draw(t, "approval"),
			})
			if rapid.Bool().Draw(t, "guarded") {
				terms = terms.Guarded(v1alpha1.Guards{MassDeletion: "allow"}, true)
			}
			after := terms.Verifications()
			if len(after) < len(before) || !reflect.DeepEqual(after[:len(before)], before) && len(before) > 0 {
				t.Fatalf("%v becomes %v", before, after)
			}
			for name, source := range sources {
				if above.RefusesKind(source) != nil && terms.RefusesKind(source) == nil {
					t.Fatalf("%s is refused above and not below", name)
				}
			}
			if again := above.Verifications(); !reflect.DeepEqual(again, before) {
				t.Fatal("the terms above have changed")
			}
		}
	})
}
