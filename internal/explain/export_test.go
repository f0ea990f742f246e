package explain

// WithoutSecrets is for tests.
var WithoutSecrets = withoutSecrets
