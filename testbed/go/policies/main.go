// Command network-policies enforces the NetworkPolicy objects of a cluster on its only node, as kindnet does on a node of
// kind's own: connections, by nftables, after service addresses have become those of pods.
package main

import (
	"context"
	"log"
	"os"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// Events come in bursts; one set of rules for a burst is enough.
	burst = 5 * time.Millisecond
	// How often it is looked whether there is an API server yet.
	pause = 250 * time.Millisecond
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: network-policies KUBECONFIG")
	}
	core, networking := clients(os.Args[1])
	changed := make(chan struct{}, 1)
	pods := watch[*corev1.Pod](core, "pods", &corev1.Pod{}, changed)
	spaces := watch[*corev1.Namespace](core, "namespaces", &corev1.Namespace{}, changed)
	policies := watch[*networkingv1.NetworkPolicy](networking, "networkpolicies", &networkingv1.NetworkPolicy{}, changed)
	cache.WaitForCacheSync(nil, pods.synced, spaces.synced, policies.synced)
	for last := ""; ; <-changed {
		time.Sleep(burst)
		text := rules(pods.list(), spaces.list(), policies.list())
		if text == last {
			continue
		}
		if err := apply(text); err != nil {
			log.Fatal(err)
		}
		last = text
	}
}

// clients waits until kubeadm has written the kubeconfig and the API server answers.
func clients(path string) (*rest.RESTClient, *rest.RESTClient) {
	for ; ; time.Sleep(pause) {
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			continue
		}
		core, err := client(config, corev1.SchemeGroupVersion, "/api")
		if err != nil {
			log.Fatal(err)
		}
		networking, err := client(config, networkingv1.SchemeGroupVersion, "/apis")
		if err != nil {
			log.Fatal(err)
		}
		if core.Get().AbsPath("/readyz").Do(context.Background()).Error() == nil {
			return core, networking
		}
	}
}

func client(config *rest.Config, version schema.GroupVersion, path string) (*rest.RESTClient, error) {
	own := rest.CopyConfig(config)
	own.APIPath = path
	own.GroupVersion = &version
	own.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	own.ContentType = runtime.ContentTypeProtobuf
	return rest.RESTClientFor(own)
}

// watched is every object of one kind.
type watched[T any] struct{ informer cache.SharedInformer }

func watch[T any](client *rest.RESTClient, plural string, kind runtime.Object, changed chan struct{}) watched[T] {
	source := cache.NewListWatchFromClient(client, plural, metav1.NamespaceAll, fields.Everything())
	informer := cache.NewSharedInformer(source, kind, 0)
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { tell() },
		UpdateFunc: func(any, any) { tell() },
		DeleteFunc: func(any) { tell() },
	}); err != nil {
		log.Fatal(err)
	}
	go informer.Run(nil)
	return watched[T]{informer}
}

func (w watched[T]) synced() bool { return w.informer.HasSynced() }

func (w watched[T]) list() []T {
	var found []T
	for _, each := range w.informer.GetStore().List() {
		found = append(found, each.(T))
	}
	return found
}

// apply replaces all rules at once: at no moment is a part of them in force.
func apply(text string) error {
	command := exec.Command("nft", "-f", "-")
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(text), os.Stdout, os.Stderr
	return command.Run()
}
