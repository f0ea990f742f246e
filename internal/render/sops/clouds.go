package sops

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/getsops/sops/v3/azkv"
	"github.com/getsops/sops/v3/gcpkms"
	"github.com/getsops/sops/v3/hcvault"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/kms"
)

// forbidden is a key service that is not asked, with the reason.
type forbidden string

func (f forbidden) Error() string { return string(f) }

var (
	awsKey       = regexp.MustCompile(`^arn:aws[a-z0-9-]*:kms:[a-z0-9-]+:[0-9]+:(key|alias)/[A-Za-z0-9/_-]+$`)
	awsRole      = regexp.MustCompile(`^arn:aws[a-z0-9-]*:iam::[0-9]+:role/[\w+=,.@/-]+$`)
	vaultWords   = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)
	azureDomains = []string{
		".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".vault.microsoftazure.de", ".managedhsm.azure.net",
	}
)

// ask has a key service open a data key, with the agent's own credentials. The document names the service, and anybody can write a
// document: so no credentials go to a place that the agent does not know.
func (a *asking) ask(request *keyservice.DecryptRequest) ([]byte, error) {
	if a.keys.own {
		return nil, forbidden("the Sync names keys of its own, and so no key service is asked")
	}
	if a.keys.off {
		a.unasked = true
		return nil, forbidden("no key service is asked offline")
	}
	ctx, cancel := context.WithTimeout(a.ctx, maxAsking)
	defer cancel()
	sealed := string(request.GetCiphertext())
	switch key := request.GetKey().GetKeyType().(type) {
	case *keyservice.Key_KmsKey:
		return openAWS(ctx, key.KmsKey, sealed)
	case *keyservice.Key_GcpKmsKey:
		one := gcpkms.MasterKey{ResourceID: key.GcpKmsKey.GetResourceId(), EncryptedKey: sealed}
		return one.DecryptContext(ctx)
	case *keyservice.Key_AzureKeyvaultKey:
		return openAzure(ctx, key.AzureKeyvaultKey, sealed)
	case *keyservice.Key_VaultKey:
		return a.openVault(ctx, key.VaultKey, sealed)
	}
	return nil, forbidden("this kind of key is not supported")
}

// openAWS leaves out the profile that a document names: it belongs to whoever has encrypted it, and could name a program to start.
func openAWS(ctx context.Context, key *keyservice.KmsKey, sealed string) ([]byte, error) {
	if !awsKey.MatchString(key.GetArn()) || key.GetRole() != "" && !awsRole.MatchString(key.GetRole()) {
		return nil, forbidden("its name is none of AWS KMS")
	}
	with := make(map[string]*string, len(key.GetContext()))
	for name, value := range key.GetContext() {
		with[name] = &value
	}
	one := kms.MasterKey{Arn: key.GetArn(), Role: key.GetRole(), EncryptionContext: with, EncryptedKey: sealed}
	return one.DecryptContext(ctx)
}

func openAzure(ctx context.Context, key *keyservice.AzureKeyVaultKey, sealed string) ([]byte, error) {
	at, err := url.Parse(key.GetVaultUrl())
	if err != nil || at.Scheme != "https" || at.User != nil || at.Port() != "" || !ofAzure(at.Hostname()) {
		return nil, forbidden("its address is none of Azure Key Vault")
	}
	one := azkv.MasterKey{VaultURL: key.GetVaultUrl(), Name: key.GetName(), Version: key.GetVersion(), EncryptedKey: sealed}
	return one.DecryptContext(ctx)
}

func ofAzure(host string) bool {
	for _, domain := range azureDomains {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

// openVault asks the agent's own Vault, whose token would go to wherever the document says.
func (a *asking) openVault(ctx context.Context, key *keyservice.VaultKey, sealed string) ([]byte, error) {
	own := strings.TrimRight(a.keys.env("VAULT_ADDR"), "/")
	if own == "" || strings.TrimRight(key.GetVaultAddress(), "/") != own {
		return nil, forbidden("it is not the agent's Vault (VAULT_ADDR)")
	}
	if !vaultWords.MatchString(key.GetEnginePath()+key.GetKeyName()) || strings.Contains(key.GetEnginePath()+key.GetKeyName(), "..") {
		return nil, forbidden("its path is none of a key")
	}
	one := hcvault.MasterKey{
		VaultAddress: own, EnginePath: key.GetEnginePath(), KeyName: key.GetKeyName(), EncryptedKey: sealed,
	}
	return one.DecryptContext(ctx)
}

// passing says whether an error of a key service may go away by itself.
func passing(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, &network)
}
