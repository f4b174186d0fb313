# Disks of workspaces whose name begins with `prod` outlive the loss of a zone.
package kompox

deny contains {"address": a.address, "msg": sprintf("%s is in one zone; production takes Premium_ZRS", [a.after.sku.name])} if {
	some a in input.actions
	startswith(a.address, "/ws/prod")
	a.kind == "disk"
	a.action == "create"
	not endswith(a.after.sku.name, "_ZRS")
}
