package helm

import (
	"context"
	"maps"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"helm.sh/helm/v4/pkg/chart/common"

	"github.com/setpoint-dev/setpoint/internal/state"
)

// functionsOf gives every function of templates but include and tpl: those of sprig without the environment and the network, those of Helm,
// and those whose answers differ from time to time, which are remembered. All of them keep to the budget.
func functionsOf(ctx context.Context, j *job, b *budget, made *randoms) template.FuncMap {
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	maps.Copy(functions, formats)
	maps.Copy(functions, durations)
	maps.Copy(functions, printing)
	maps.Copy(functions, template.FuncMap{
		"required":      required,
		"fail":          fail,
		"lookup":        lookup(ctx, j),
		"getHostByName": func(string) string { return "" },
	})
	maps.Copy(functions, made.clock(ctx, functions))
	for name, function := range functions {
		functions[name] = b.bound(name, function)
	}
	// What makes random values calls the bounded functions, so it is not bound itself.
	maps.Copy(functions, made.functions(ctx, functions))
	maps.Copy(functions, template.FuncMap{
		callTurn: b.turn, callEnter: b.enter, callLeave: b.leave, callPrint: b.print, callMade: b.result,
		// Placeholders, so that the parser knows them: see engine.bound.
		"include": func(string, any) string { return "" },
		"tpl":     func(string, any) string { return "" },
	})
	return functions
}

// lookup asks the cluster that is rendered for. Without one there is nothing, as with helm template.
func lookup(ctx context.Context, j *job) func(apiVersion, kind, namespace, name string) (map[string]any, error) {
	return func(apiVersion, kind, namespace, name string) (map[string]any, error) {
		if j.request.Outside.Cluster == nil {
			return map[string]any{}, nil
		}
		found, err := j.request.Outside.Cluster.Lookup(ctx, apiVersion, state.ID{Kind: kind, Namespace: namespace, Name: name})
		if err != nil {
			return nil, outside{err}
		}
		if found == nil {
			found = map[string]any{}
		}
		if apiVersion == "v1" && kind == "Secret" {
			j.secrets.lookedUp(found)
		}
		return found, nil
	}
}

// outside is an error of what a template asked for elsewhere. It keeps its kind and hint.
type outside struct{ err error }

func (o outside) Error() string { return o.err.Error() }

func (o outside) Unwrap() error { return o.err }

// print passes on what an action writes. It is weighed when it may hold others, as the printing of what contains itself never ends.
func (b *budget) print(value any) any {
	switch v := value.(type) {
	case string:
		return v
	case common.KubeVersion:
		return &v // it says its version when it can be pointed to, as it can in the chart's capabilities
	}
	b.weigh(value)
	return value
}

// result counts what a method has made.
func (b *budget) result(value any) any {
	b.grow(b.weigh(value))
	b.spend(1)
	return value
}
