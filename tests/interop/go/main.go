// One operation of the Go SDK, as published, from the command line. The SDK's own error goes to standard error.
//
//	sdk encrypt|decrypt --in F --out F --platform URL --kas URL --client-id ID --client-secret S [--attr FQN]...
//
// The SDK finds the issuer in the platform's configuration and always proves possession of a key (RFC 9449).
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/opentdf/platform/lib/ocrypto"
	"github.com/opentdf/platform/sdk"
)

type texts []string

func (t *texts) String() string { return fmt.Sprint(*t) }

func (t *texts) Set(text string) error {
	*t = append(*t, text)
	return nil
}

type options struct {
	in, out, platform, kas, clientID, clientSecret string
	dpopAlgorithm, targetMode, sessionKey, wrapKey string
	withoutKid                                     bool
	attributes                                     texts
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("usage: sdk encrypt|decrypt …")
	}
	var o options
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	flags.StringVar(&o.in, "in", "", "file to read")
	flags.StringVar(&o.out, "out", "", "file to write")
	flags.StringVar(&o.platform, "platform", "", "origin of the platform")
	flags.StringVar(&o.kas, "kas", "", "address of the KAS")
	flags.StringVar(&o.clientID, "client-id", "", "client")
	flags.StringVar(&o.clientSecret, "client-secret", "", "its secret")
	flags.StringVar(&o.dpopAlgorithm, "dpop-algorithm", "", "algorithm of the proofs, ES256 if empty")
	flags.StringVar(&o.targetMode, "target-mode", "", "version of the format to write, the newest if empty")
	flags.StringVar(&o.sessionKey, "session-key", "", "client key to receive with, rsa:2048 if empty")
	flags.StringVar(&o.wrapKey, "wrap-key", "", "kind of KAS key to wrap to, the platform's choice if empty")
	flags.BoolVar(&o.withoutKid, "without-kid", false, "leave the name of the KAS's key out of the file")
	flags.Var(&o.attributes, "attr", "attribute value; may be repeated")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	switch arguments[0] {
	case "encrypt":
		return transform(o, encrypt)
	case "decrypt":
		return transform(o, decrypt)
	}
	return fmt.Errorf("unknown operation %q", arguments[0])
}

func transform(o options, operation func(*sdk.SDK, options, io.Writer, *os.File) error) error {
	client, err := connect(o)
	if err != nil {
		return err
	}
	defer client.Close()
	in, err := os.Open(o.in)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(o.out)
	if err != nil {
		return err
	}
	return errors.Join(operation(client, o, out, in), out.Close())
}

func connect(o options) (*sdk.SDK, error) {
	chosen := []sdk.Option{sdk.WithClientCredentials(o.clientID, o.clientSecret, nil), sdk.WithConnectionValidation()}
	if o.dpopAlgorithm != "" {
		chosen = append(chosen, sdk.WithDPoPAlgorithm(sdk.SigningAlgorithm(o.dpopAlgorithm)))
	}
	if o.withoutKid {
		chosen = append(chosen, sdk.WithNoKIDInKAO())
	}
	return sdk.New(o.platform, chosen...)
}

func encrypt(client *sdk.SDK, o options, out io.Writer, in *os.File) error {
	chosen := []sdk.TDFOption{
		sdk.WithKasInformation(sdk.KASInfo{URL: o.kas, Default: true}),
		sdk.WithDataAttributes(o.attributes...),
		sdk.WithTargetMode(o.targetMode),
	}
	if o.wrapKey != "" {
		chosen = append(chosen, sdk.WithWrappingKeyAlg(ocrypto.KeyType(o.wrapKey))) //nolint:staticcheck // the only way
	}
	_, err := client.CreateTDF(out, in, chosen...)
	return err
}

func decrypt(client *sdk.SDK, o options, out io.Writer, in *os.File) error {
	var chosen []sdk.TDFReaderOption
	if o.sessionKey != "" {
		chosen = append(chosen, sdk.WithSessionKeyType(ocrypto.KeyType(o.sessionKey)))
	}
	reader, err := client.LoadTDF(in, chosen...)
	if err != nil {
		return err
	}
	_, err = reader.WriteTo(out)
	return err
}
