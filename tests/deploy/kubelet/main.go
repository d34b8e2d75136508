// A kubelet that can do one thing: run commands "in containers".
//
//	kubelet PORT FOLDER
//
// A command for the pod NAME runs on this machine with FOLDER/NAME first in its PATH, so that what the
// pod would have installed are files there. The API server reaches it by the address of a Node.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	protocols "k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/tools/remotecommand"
	streaming "k8s.io/kubelet/pkg/cri/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

type runner struct{ folder string }

func (r runner) ExecInContainer(ctx context.Context, pod string, _ types.UID, _ string, command []string,
	_ io.Reader, out, err io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	process := exec.CommandContext(ctx, command[0], command[1:]...)
	process.Env = []string{"PATH=" + filepath.Join(r.folder, pod) + ":/usr/local/bin:/usr/bin:/bin"}
	process.Stdout, process.Stderr = out, err
	failure := process.Run()
	var exit *exec.ExitError
	if errors.As(failure, &exit) {
		return utilexec.CodeExitError{Err: failure, Code: exit.ExitCode()}
	}
	return failure
}

func (r runner) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	if len(parts) != 4 || parts[0] != "exec" {
		http.NotFound(answer, request)
		return
	}
	options, err := streaming.NewOptions(request)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	streaming.ServeExec(answer, request, r, parts[2], "", parts[3], request.URL.Query()["command"], options,
		4*time.Hour, 30*time.Second, protocols.SupportedStreamingProtocols)
}

func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	plain := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, plain, plain, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func main() {
	server := http.Server{
		Addr:      "127.0.0.1:" + os.Args[1],
		Handler:   runner{os.Args[2]},
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}},
		// The streams take over a connection of HTTP/1.1.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}
