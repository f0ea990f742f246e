package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// createNodes makes the node objects; kwok then plays their kubelets. In a folder that held a cluster before they exist.
func (c *Cluster) createNodes(ctx context.Context) error {
	for i := range c.opts.Nodes {
		name := fmt.Sprintf("node-%d", i+1)
		pods := fmt.Sprintf("10.%d.0.0/16", i%250) // nothing is ever sent to these addresses
		body, err := json.Marshal(map[string]any{
			"apiVersion": "v1",
			"kind":       "Node",
			"metadata": map[string]any{
				"name": name,
				"labels": map[string]string{
					"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
				},
			},
			"spec": map[string]any{"podCIDR": pods, "podCIDRs": []string{pods}},
		})
		if err != nil {
			return fmt.Errorf("encode node %s: %w", name, err)
		}
		if _, err := c.Do(ctx, http.MethodPost, "/api/v1/nodes", body); err != nil && !IsStatus(err, http.StatusConflict) {
			return fmt.Errorf("create node %s: %w", name, err)
		}
	}
	return nil
}

// checkNodes reports whether all nodes are Ready and free of taints, which is when the scheduler places Pods on them.
func (c *Cluster) checkNodes(ctx context.Context) error {
	body, err := c.Do(ctx, http.MethodGet, "/api/v1/nodes", nil)
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ Taints []struct{ Key string } }
			Status   struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return fmt.Errorf("decode the list of nodes: %w", err)
	}
	for _, node := range list.Items {
		for _, taint := range node.Spec.Taints {
			return fmt.Errorf("node %s has the taint %s", node.Metadata.Name, taint.Key)
		}
		ready := false
		for _, condition := range node.Status.Conditions {
			ready = ready || condition.Type == "Ready" && condition.Status == "True"
		}
		if !ready {
			return fmt.Errorf("node %s is not Ready", node.Metadata.Name)
		}
	}
	return nil
}
