// Everything Marginal needs in Azure, in one resource group.
// Scope is the resource group, so whoever deploys needs rights on that group only.
targetScope = 'resourceGroup'

@description('Name of the environment; together with the group it makes resource names unique.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of every resource. Flex Consumption is not offered in all regions.')
param location string = resourceGroup().location

@description('Redundancy of the storage account: one data centre, or three zones of the region.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param storageSku string = 'Standard_LRS'

@description('Memory of one instance in MB; CPU grows with it. 2048 is one core.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Upper limit of instances: the ceiling of the bill under load.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('HTTP requests that one instance works on at once. The work is CPU-bound: 1 or 2.')
@minValue(1)
@maxValue(16)
param httpConcurrency int = 1

@description('Instances kept warm for HTTP. Each is billed all day; 0 scales to zero.')
@minValue(0)
@maxValue(20)
param alwaysReadyHttpInstances int = 0

@description('When the nightly refit is queued: NCRONTAB, six fields, UTC.')
param refitSchedule string = '0 0 3 * * *'

@description('Origins of web pages that may call the app, separated by commas; empty for none.')
param corsOrigins string = ''

@description('Days that logs stay searchable.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Gigabytes of logs a day after which ingestion stops until the next day; -1 for no cap.')
param dailyLogQuotaGb int = 1

@description('Days within which a deleted blob or container can be brought back.')
@minValue(1)
@maxValue(365)
param softDeleteDays int = 7

@description('Days that the overwritten or deleted state of a blob is kept as a version.')
@minValue(1)
@maxValue(3650)
param blobVersionDays int = 30

@description('Days after which an unchanged curve set moves to the cool tier, still readable at once.')
@minValue(30)
@maxValue(3650)
param curvesCoolAfterDays int = 60

@description('Days that the record of a refit run is kept.')
@minValue(30)
@maxValue(3650)
param runRetentionDays int = 180

@description('Who is mailed by an alert.')
param alertEmails string[] = []

@description('Off silences every alert without deleting it.')
param alertsEnabled bool = true

@description('Share of HTTP answers with a status of 500 or more, in percent, that raises an alert.')
@minValue(1)
@maxValue(100)
param serverErrorPercent int = 5

@description('Messages in all queues, averaged over six hours, that mean refits are not keeping up.')
@minValue(1)
param queueBacklog int = 1000

// These are constants of the app (shared/store/connect.py), not choices of a deployment.
var dataContainerName = 'marginal'
var refitQueueName = 'refits'
var poisonQueueName = 'refits-poison'
var jobQueueName = 'jobs'
var jobPoisonQueueName = 'jobs-poison'

var deploymentContainerName = 'deployments'
var token = uniqueString(resourceGroup().id, environmentName)
var tags = {
  'azd-env-name': environmentName
  app: 'marginal'
}

module identity 'modules/identity.bicep' = {
  name: 'identity'
  params: {
    name: 'id-marginal-${token}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    workspaceName: 'log-marginal-${token}'
    insightsName: 'appi-marginal-${token}'
    location: location
    tags: tags
    retentionDays: logRetentionDays
    dailyQuotaGb: dailyLogQuotaGb
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    // 24 characters at most, lower-case letters and digits only.
    name: 'stmarginal${token}'
    location: location
    tags: tags
    sku: storageSku
    containerNames: [
      deploymentContainerName
      dataContainerName
    ]
    queueNames: [
      refitQueueName
      poisonQueueName
      jobQueueName
      jobPoisonQueueName
    ]
    dataContainerName: dataContainerName
    softDeleteDays: softDeleteDays
    blobVersionDays: blobVersionDays
    curvesCoolAfterDays: curvesCoolAfterDays
    runRetentionDays: runRetentionDays
    workspaceId: monitoring.outputs.workspaceId
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  params: {
    principalId: identity.outputs.principalId
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
  }
}

module function 'modules/function.bicep' = {
  name: 'function'
  params: {
    name: 'func-marginal-${token}'
    planName: 'plan-marginal-${token}'
    location: location
    // azd finds the app of the service "api" in azure.yaml by this tag.
    tags: union(tags, { 'azd-service-name': 'api' })
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    deploymentContainerName: deploymentContainerName
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReadyHttpInstances: alwaysReadyHttpInstances
    refitSchedule: refitSchedule
    corsOrigins: corsOrigins
    workspaceId: monitoring.outputs.workspaceId
  }
  // An app that starts before its identity may read storage fails until the next restart.
  dependsOn: [
    roles
  ]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    tags: tags
    namePrefix: 'alert-marginal-${environmentName}'
    actionGroupName: 'ag-marginal-${token}'
    emails: alertEmails
    enabled: alertsEnabled
    workspaceId: monitoring.outputs.workspaceId
    functionAppName: function.outputs.name
    queueServiceId: storage.outputs.queueServiceId
    serverErrorPercent: serverErrorPercent
    queueBacklog: queueBacklog
  }
}

output AZURE_FUNCTION_NAME string = function.outputs.name
output SERVICE_API_NAME string = function.outputs.name
output SERVICE_API_URI string = '${function.outputs.uri}/api/v1'
output AZURE_STORAGE_ACCOUNT string = storage.outputs.name
output APPLICATION_INSIGHTS_NAME string = monitoring.outputs.insightsName
