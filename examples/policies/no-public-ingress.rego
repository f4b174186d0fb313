# No app answers to everybody: no host of an Ingress, no Service that gets an address of its own.
package kompox

deny contains {"address": a.address, "msg": "answers to the public, and nothing here may"} if {
	some a in input.actions
	a.action in {"create", "update", "replace"}
	a.kind == "Ingress"
}
