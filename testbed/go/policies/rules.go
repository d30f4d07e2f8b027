package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const table = "inet network-policies"

// A side is one direction of policies: which policies count, and which end of a packet is the peer.
type side struct {
	name  networkingv1.PolicyType
	chain string
	own   string
	peer  string
}

var (
	egress  = side{networkingv1.PolicyTypeEgress, "egress", "saddr", "daddr"}
	ingress = side{networkingv1.PolicyTypeIngress, "ingress", "daddr", "saddr"}
)

// rule is what one rule of a policy says, whichever direction it is of.
type rule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

// cluster is what rules are made of.
type cluster struct {
	pods     []*corev1.Pod
	spaces   map[string]labels.Set
	policies []*networkingv1.NetworkPolicy
}

// rules returns the script for nft that puts the policies in the place of what was there.
func rules(pods []*corev1.Pod, spaces []*corev1.Namespace, policies []*networkingv1.NetworkPolicy) string {
	known := cluster{addressed(pods), map[string]labels.Set{}, policies}
	for _, space := range spaces {
		known.spaces[space.Name] = space.Labels
	}
	slices.SortFunc(policies, func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	var text strings.Builder
	fmt.Fprintf(&text, "table %s\ndelete table %s\ntable %s {\n", table, table, table)
	known.direction(&text, egress)
	known.direction(&text, ingress)
	// What the node itself sends comes by neither hook: the kubelet's probes are never shut out.
	text.WriteString("chain forward { type filter hook forward priority filter\n")
	text.WriteString("ct state established,related accept\njump egress\njump ingress\n}\n")
	text.WriteString("chain input { type filter hook input priority filter\n")
	text.WriteString("iifname lo accept\nct state established,related accept\njump egress\n}\n}\n")
	return text.String()
}

// addressed leaves out pods without an address of their own, and orders the others by it.
func addressed(pods []*corev1.Pod) []*corev1.Pod {
	byAddress := map[string]*corev1.Pod{}
	for _, pod := range pods {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if address, err := netip.ParseAddr(pod.Status.PodIP); err != nil || !address.Is4() || pod.Spec.HostNetwork || ended {
			continue
		}
		// An address is given anew as soon as a pod has gone, which may be before its object has.
		other := byAddress[pod.Status.PodIP]
		if other == nil || other.CreationTimestamp.Before(&pod.CreationTimestamp) {
			byAddress[pod.Status.PodIP] = pod
		}
	}
	var found []*corev1.Pod
	for _, pod := range byAddress {
		found = append(found, pod)
	}
	slices.SortFunc(found, func(a, b *corev1.Pod) int { return cmp.Compare(a.Status.PodIP, b.Status.PodIP) })
	return found
}

// direction writes a chain for each pod that is isolated in this direction, and the chain that leads to them.
func (c cluster) direction(text *strings.Builder, at side) {
	var leads []string
	for _, pod := range c.pods {
		if lines, isolated := c.allowed(pod, at); isolated {
			chain := at.chain + "-" + pod.Status.PodIP
			// A pod cannot shut itself out, not by way of a service either.
			fmt.Fprintf(text, "chain %s {\nip %s %s return\n", chain, at.peer, pod.Status.PodIP)
			for _, line := range lines {
				fmt.Fprintf(text, "%s return\n", line)
			}
			text.WriteString("counter drop\n}\n")
			leads = append(leads, fmt.Sprintf("%s : jump %s", pod.Status.PodIP, chain))
		}
	}
	fmt.Fprintf(text, "chain %s {\n", at.chain)
	if len(leads) > 0 {
		fmt.Fprintf(text, "ip %s vmap { %s }\n", at.own, strings.Join(leads, ", "))
	}
	text.WriteString("}\n")
}

// allowed returns the matches of what a pod's policies let through, and whether there is such a policy at all.
func (c cluster) allowed(pod *corev1.Pod, at side) (lines []string, isolated bool) {
	for _, policy := range c.policies {
		spec := policy.Spec
		if policy.Namespace != pod.Namespace || !slices.Contains(spec.PolicyTypes, at.name) || !selects(&spec.PodSelector, pod.Labels) {
			continue
		}
		isolated = true
		for _, each := range said(spec, at) {
			for _, line := range c.matches(pod, policy.Namespace, each, at) {
				if !slices.Contains(lines, line) {
					lines = append(lines, line)
				}
			}
		}
	}
	return lines, isolated
}

func said(spec networkingv1.NetworkPolicySpec, at side) (found []rule) {
	if at == egress {
		for _, each := range spec.Egress {
			found = append(found, rule{each.To, each.Ports})
		}
		return found
	}
	for _, each := range spec.Ingress {
		found = append(found, rule{each.From, each.Ports})
	}
	return found
}

// matches returns what one rule lets through, as matches of nft.
func (c cluster) matches(pod *corev1.Pod, namespace string, given rule, at side) (found []string) {
	peers := c.peers(namespace, given.peers)
	var places []string
	for _, peer := range given.peers {
		if peer.IPBlock != nil {
			places = append(places, block(peer.IPBlock, at)...)
		}
	}
	if len(given.peers) == 0 {
		places = []string{"meta nfproto ipv4"}
	} else if len(peers) > 0 {
		places = append(places, fmt.Sprintf("ip %s { %s }", at.peer, strings.Join(addresses(peers), ", ")))
	}
	if len(given.ports) == 0 {
		return places
	}
	for _, port := range given.ports {
		if port.Port != nil && port.Port.Type == intstr.String && at == egress {
			found = append(found, c.named(port, given, peers)...)
			continue
		}
		for _, number := range numbers(pod, port) {
			for _, place := range places {
				found = append(found, place+" "+number)
			}
		}
	}
	return found
}

// named returns where a port leads that the pods at the other end call so, each by a number of its own.
func (c cluster) named(port networkingv1.NetworkPolicyPort, given rule, peers []*corev1.Pod) (found []string) {
	if len(given.peers) == 0 {
		peers = c.pods
	}
	for _, peer := range peers {
		for _, number := range numbers(peer, port) {
			found = append(found, fmt.Sprintf("ip daddr %s %s", peer.Status.PodIP, number))
		}
	}
	return found
}

// numbers returns the matches for a port; a name is one of the target's.
func numbers(target *corev1.Pod, port networkingv1.NetworkPolicyPort) (found []string) {
	protocol := corev1.ProtocolTCP
	if port.Protocol != nil {
		protocol = *port.Protocol
	}
	word := strings.ToLower(string(protocol))
	switch {
	case port.Port == nil:
		return []string{"meta l4proto " + word}
	case port.Port.Type == intstr.Int && port.EndPort != nil:
		return []string{fmt.Sprintf("%s dport %d-%d", word, port.Port.IntVal, *port.EndPort)}
	case port.Port.Type == intstr.Int:
		return []string{fmt.Sprintf("%s dport %d", word, port.Port.IntVal)}
	}
	for _, container := range append(slices.Clone(target.Spec.InitContainers), target.Spec.Containers...) {
		for _, own := range container.Ports {
			if own.Name == port.Port.StrVal && cmp.Or(own.Protocol, corev1.ProtocolTCP) == protocol {
				found = append(found, fmt.Sprintf("%s dport %d", word, own.ContainerPort))
			}
		}
	}
	return found
}

// peers returns the pods that the peers of a rule select.
func (c cluster) peers(namespace string, given []networkingv1.NetworkPolicyPeer) (pods []*corev1.Pod) {
	for _, pod := range c.pods {
		if slices.ContainsFunc(given, func(peer networkingv1.NetworkPolicyPeer) bool { return c.isPeer(namespace, peer, pod) }) {
			pods = append(pods, pod)
		}
	}
	return pods
}

func (c cluster) isPeer(namespace string, peer networkingv1.NetworkPolicyPeer, pod *corev1.Pod) bool {
	switch {
	case peer.IPBlock != nil:
		return false
	case peer.NamespaceSelector == nil && pod.Namespace != namespace:
		return false
	case peer.NamespaceSelector != nil && !selects(peer.NamespaceSelector, c.spaces[pod.Namespace]):
		return false
	}
	return peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels)
}

// block returns the match for a block of addresses; none for addresses that no pod here has.
func block(given *networkingv1.IPBlock, at side) []string {
	prefix, err := netip.ParsePrefix(given.CIDR)
	if err != nil || !prefix.Addr().Is4() {
		return nil
	}
	match := fmt.Sprintf("ip %s %s", at.peer, prefix.Masked())
	if len(given.Except) > 0 {
		match += fmt.Sprintf(" ip %s != { %s }", at.peer, strings.Join(given.Except, ", "))
	}
	return []string{match}
}

func selects(selector *metav1.LabelSelector, own map[string]string) bool {
	found, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && found.Matches(labels.Set(own))
}

func addresses(pods []*corev1.Pod) (found []string) {
	for _, pod := range pods {
		found = append(found, pod.Status.PodIP)
	}
	return found
}
