# Images are named by what they are, not by a tag that may mean another one tomorrow.
package kompox

images contains {"address": a.address, "image": container.image} if {
	some a in input.actions
	some container in a.after.spec.template.spec.containers
}

images contains {"address": a.address, "image": change.after} if {
	some a in input.actions
	some change in a.changes
	endswith(change.path, ".image")
}

deny contains {"address": one.address, "msg": sprintf("%s says no version", [one.image])} if {
	some one in images
	regex.match(`^[^@]*(:latest|/[^:@]+|^[^:/@]+)$`, one.image)
}

warn contains {"address": one.address, "msg": sprintf("%s is a tag; a digest cannot change", [one.image])} if {
	some one in images
	not contains(one.image, "@sha256:")
}
